"""Reads what a client says of a file in its metadata; nothing of it is to be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass

from tusd_py.content.media_types import OCTETS, canonical
from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload

#: Where clients write it: tus-js-client's examples and Uppy, tuspy's users, tusd's hooks.
_NAME_KEYS = ("filename", "name")
_TYPE_KEYS = ("filetype", "type", "contentType", "content_type")


@dataclass(frozen=True, slots=True)
class Declared:
    """
    What is said of a file before its bytes are looked at.

    Attributes:
        name: Without directories; None where there is none.
        media_type: Canonical; None where it is not known, or not to the client either.
        size: Bytes; None while the length is deferred.
    """

    name: str | None
    media_type: str | None
    size: int | None


def declared_of(upload: Upload) -> Declared:
    """Return what the client said of *upload*."""
    pairs = parse_metadata_leniently(upload.metadata or "")
    media_type = canonical(_first(pairs, _TYPE_KEYS))
    return Declared(
        _last_segment(_first(pairs, _NAME_KEYS)) or None,
        None if media_type in ("", OCTETS) else media_type,
        upload.length,
    )


def _first(pairs: Mapping[str, bytes], keys: tuple[str, ...]) -> str:
    """Return the first value that is not empty; Uppy sends the text `null` for none."""
    for key in keys:
        text = pairs.get(key, b"").decode("utf-8", "replace").strip()
        if text not in ("", "null", "undefined"):
            return text
    return ""


def _last_segment(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
