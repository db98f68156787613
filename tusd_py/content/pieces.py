"""Goes through an upload's bytes, and makes sure that none is missing."""

from collections.abc import AsyncIterator
from typing import Final

from tusd_py.content.check import Read
from tusd_py.errors import StorageError
from tusd_py.protocol.upload import Upload

#: Bytes that are read at a time: four uploads are looked at together.
_PIECE: Final = 1024 * 1024


async def pieces_of(upload: Upload, read: Read) -> AsyncIterator[bytes]:
    """
    Yield all bytes of a complete upload, in order.

    Raises:
        StorageError: There are fewer than the upload has: that is no fault of its content.
    """
    position = 0
    while position < upload.offset:
        piece = await read(position, min(_PIECE, upload.offset - position))
        if not piece:
            raise StorageError("The server cannot read back what it stored: try again.")
        yield piece
        position += len(piece)
