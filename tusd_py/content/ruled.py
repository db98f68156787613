"""Holds uploads against the rules: what is said of them, their first bytes, and the whole."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tusd_py.content.check import HEAD, Check, Foresees, LooksEarly, Read
from tusd_py.content.declared import declared_of
from tusd_py.content.media_types import OCTETS
from tusd_py.content.pieces import pieces_of
from tusd_py.content.rules import Rules
from tusd_py.content.text import TextReader, text_type_of
from tusd_py.protocol.upload import Upload

#: Returns the type that a file shows by its first bytes; may take a millisecond.
TypeOf = Callable[[bytes], str]


class RuledContent(Check, Foresees, LooksEarly):
    """
    Lets pass what one of the rules takes.

    Args:
        rules: The rules.
        type_of: Sniffs.
    """

    name = "rules"

    def __init__(self, rules: Rules, type_of: TypeOf) -> None:
        self._rules = rules
        self._type_of = type_of

    def foresee(self, upload: Upload) -> None:
        self._rules.decide(declared_of(upload))

    def wants_head(self, upload: Upload) -> bool:
        return self._rules.can_tell(declared_of(upload))

    async def look(self, upload: Upload, head: bytes) -> None:
        shown = await asyncio.to_thread(self._type_of, head)
        self._rules.decide_bytes(shown, declared_of(upload))

    async def examine(self, upload: Upload, read: Read) -> None:
        declared = replace(declared_of(upload), size=upload.offset)
        self._rules.decide(declared)
        if not self._rules.can_tell(declared):
            return
        head = await read(0, min(HEAD, upload.offset)) if upload.offset else b""
        shown = await asyncio.to_thread(self._type_of, head)
        if shown == text_type_of(head) and not await _is_text(upload, read):
            shown = OCTETS  # it only began as text
        self._rules.decide_bytes(shown, declared)


async def _is_text(upload: Upload, read: Read) -> bool:
    reader = TextReader()
    async for piece in pieces_of(upload, read):
        if not await asyncio.to_thread(reader.is_text, piece):
            return False
    return True
