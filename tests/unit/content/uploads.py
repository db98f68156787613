"""Uploads as checks get to see them."""

from collections.abc import Mapping

from tests.contracts.examples import an_upload
from tusd_py.content.check import Read
from tusd_py.protocol.metadata import format_metadata
from tusd_py.protocol.upload import Upload, UploadState


def complete(content: bytes, metadata: Mapping[str, str] | None = None) -> Upload:
    """Return an upload that has all of *content*."""
    pairs = {key: value.encode() for key, value in (metadata or {}).items()}
    return an_upload(
        1,
        length=len(content),
        offset=len(content),
        state=UploadState.CHECKING,
        metadata=format_metadata(pairs),
    )


def reading(content: bytes) -> Read:
    """Return what reads *content*, in pieces as small as a data store may give them."""

    async def read(offset: int, size: int) -> bytes:
        return content[offset : offset + min(size, 100_000)]

    return read
