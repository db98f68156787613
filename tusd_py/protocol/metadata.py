"""Reads and writes Upload-Metadata: comma-separated pairs of a key and a Base64 value."""

import base64
import binascii
import re
from collections.abc import Mapping

from tusd_py.errors import InvalidHeader
from tusd_py.protocol.headers import UPLOAD_METADATA

_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # printable ASCII without space and comma
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def parse_metadata(header: str) -> dict[str, bytes]:
    """
    Return the pairs of an Upload-Metadata header; values are arbitrary bytes and may be empty.

    An empty header holds no pairs: tuspy always sends one. Blanks around a pair are no part of
    it, for the blank after a key without a value is lost on the way when it comes last.

    Raises:
        InvalidHeader: A key is empty, repeated or not printable ASCII, or a value is not Base64;
            the message names the key.
    """
    pairs: dict[str, bytes] = {}
    if not header.strip():
        return pairs
    for position, item in enumerate(header.split(","), start=1):
        key, _, encoded = item.strip(" \t").partition(" ")
        if not key:
            # "The key MUST NOT contain spaces and commas and MUST NOT be empty."
            raise InvalidHeader(UPLOAD_METADATA, f"pair {position} has no key.")
        if not _KEY.fullmatch(key):
            raise InvalidHeader(UPLOAD_METADATA, f"the key {key!r} must be printable ASCII.")
        if key in pairs:
            # "All keys MUST be unique."
            raise InvalidHeader(UPLOAD_METADATA, f"the key {key!r} is there twice.")
        pairs[key] = _decode(key, encoded)
    return pairs


def parse_metadata_leniently(header: str) -> dict[str, bytes]:
    """Return the pairs that can be read, passing over the others; the last of equal keys counts."""
    pairs: dict[str, bytes] = {}
    for item in header.split(","):
        try:
            pairs |= parse_metadata(item)
        except InvalidHeader:
            continue
    return pairs


def format_metadata(pairs: Mapping[str, bytes]) -> str:
    """Write *pairs* as an Upload-Metadata header; a key with an empty value stands alone."""
    return ",".join(
        f"{key} {base64.b64encode(value).decode()}" if value else key
        for key, value in pairs.items()
    )


def _decode(key: str, encoded: str) -> bytes:
    # "The value MUST be Base64 encoded." binascii alone would pass over characters in between.
    if not _BASE64.fullmatch(encoded):
        raise InvalidHeader(UPLOAD_METADATA, f"the value of {key!r} must be Base64.")
    try:
        return base64.b64decode(encoded)
    except binascii.Error as error:
        raise InvalidHeader(UPLOAD_METADATA, f"the value of {key!r} must be Base64.") from error
