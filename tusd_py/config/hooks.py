"""Types the settings of who is told what."""

import re
from importlib.metadata import entry_points
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator

from tusd_py.config.access import HeaderName
from tusd_py.config.values import is_http_url, is_plain_url, split_list

HookEvent = Literal[
    "pre-create",
    "pre-finish",
    "pre-terminate",
    "post-create",
    "post-receive",
    "post-finish",
    "post-terminate",
    "expired",
    "failed",
]

_FORM: Final = "which is no URL to post to; write one such as http://127.0.0.1:8000/hooks"
#: What stands before the host, a password perhaps: no message may repeat it.
_USER: Final = re.compile(r"(?<=//)[^/]*@")


def _check_url(url: str) -> str:
    if not is_http_url(url):
        raise ValueError(f"has {url!r}, {_FORM}")
    if not is_plain_url(url):
        shown = _USER.sub("...@", url)
        raise ValueError(f"has {shown!r}, {_FORM} (no user or fragment)")
    return url


#: The group of entry points in which packages offer hooks.
PLUGINS: Final = "tusd_py.hooks"


def _check_plugins(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return names
    there = entry_points(group=PLUGINS).names
    for name in names:
        if name not in there:
            raise ValueError(
                f"has {name!r}, which no installed package offers; there are: "
                f"{', '.join(sorted(there)) or 'none'}"
            )
    return names


HookUrls = Annotated[
    tuple[Annotated[str, AfterValidator(_check_url)], ...], BeforeValidator(split_list)
]
HookEvents = Annotated[tuple[HookEvent, ...], BeforeValidator(split_list)]
Plugins = Annotated[tuple[str, ...], BeforeValidator(split_list), AfterValidator(_check_plugins)]
HeaderNames = Annotated[tuple[HeaderName, ...], BeforeValidator(split_list)]
