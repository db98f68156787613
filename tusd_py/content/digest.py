"""Holds an upload against the SHA-256 that its client said it has."""

import asyncio
import base64
import binascii
import hashlib
import re
from http import HTTPStatus

from tusd_py.content.check import Check, Foresees, Read
from tusd_py.content.pieces import pieces_of
from tusd_py.errors import ContentRefused
from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload

_KEY = "sha256"
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_FORM = f"write it into the metadata's {_KEY}, in 64 hex digits or in Base64"


class DeclaredDigest(Check, Foresees):
    """
    Lets pass what is, to the byte, what its client wanted to send.

    Args:
        is_required: Whether uploads without a digest are refused.
    """

    name = "digest"

    def __init__(self, *, is_required: bool) -> None:
        self._is_required = is_required

    def foresee(self, upload: Upload) -> None:
        if _declared(upload) is None and self._is_required:
            raise ContentRefused(f"A file needs its SHA-256 here: {_FORM}.", HTTPStatus.BAD_REQUEST)

    async def examine(self, upload: Upload, read: Read) -> None:
        self.foresee(upload)
        declared = _declared(upload)
        if declared is None:
            return
        hasher = hashlib.sha256()
        async for piece in pieces_of(upload, read):
            await asyncio.to_thread(hasher.update, piece)
        if hasher.digest() != declared:
            raise ContentRefused(
                f"The file's SHA-256 is {hasher.hexdigest()}, and not the one that was declared:"
                " send the file again."
            )


def _declared(upload: Upload) -> bytes | None:
    """
    Return the digest that the metadata has; None for none.

    Raises:
        ContentRefused: It cannot be read.
    """
    value = parse_metadata_leniently(upload.metadata or "").get(_KEY, b"")
    text = value.decode("ascii", "replace").strip()
    if not text:
        return None
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ContentRefused(f"That is no SHA-256: {_FORM}.", HTTPStatus.BAD_REQUEST)
    return digest
