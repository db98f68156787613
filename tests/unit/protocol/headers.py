"""Requests' headers to try parsers on, and what a parser may do with any text."""

import time
from collections.abc import Callable

from hypothesis import strategies as st
from multidict import CIMultiDict

from tusd_py.errors import TusError
from tusd_py.protocol.extensions import Extension, Policy

#: The longest header that reaches a parser; aiohttp refuses a longer one.
LONGEST = 16384
#: Text that a header could hold, and much that it could not.
ANY_TEXT = st.text(max_size=200) | st.text(st.characters(max_codepoint=0x7E), max_size=200)


def headers(**values: str | list[str]) -> CIMultiDict[str]:
    """Return headers; `upload_offset="5"` is `Upload-Offset: 5`, and a list repeats its header."""
    made: CIMultiDict[str] = CIMultiDict()
    for name, value in values.items():
        for each in [value] if isinstance(value, str) else value:
            made.add(name.replace("_", "-"), each)
    return made


def tus(**values: str | list[str]) -> CIMultiDict[str]:
    """Return `headers` with the version of tus that is spoken here."""
    return headers(tus_resumable="1.0.0", **values)


def lacking(*extensions: Extension) -> Policy:
    """Return the policy that offers all but *extensions*."""
    policy = Policy()
    for extension in extensions:
        policy = policy.without(extension)
    return policy


def outcome(parse: Callable[[], object], *errors: type[TusError]) -> object:
    """Return what *parse* returns, or the error it raises; any but *errors* fails the test."""
    try:
        return parse()
    except errors as error:
        return error


def is_quick(parse: Callable[[], object], *errors: type[TusError]) -> bool:
    """Tell whether *parse* is done, with or without one of *errors*, long before a client tires."""
    began = time.perf_counter()
    outcome(parse, *errors)
    return time.perf_counter() - began < 0.5
