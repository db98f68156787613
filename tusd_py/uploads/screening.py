"""Refuses uploads as early as a check can: at their creation, and when their first bytes are in."""

from collections.abc import Awaitable, Callable, Sequence

from tusd_py.content.check import HEAD, Check, Foresees, LooksEarly
from tusd_py.errors import ContentRefused, TransferEnded
from tusd_py.protocol.rules import Chunk
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.writer import Body

#: Judges first bytes; raises `ContentRefused`.
Look = Callable[[bytes], Awaitable[None]]


class Screening:
    """
    Saves the rest of the way to uploads that would be rejected at its end.

    The checks are made there all the same: this is only early. Parts are not looked at, since
    nobody can say yet what of.
    """

    def __init__(self, data: DataStore, checks: Sequence[Check] = ()) -> None:
        self._data = data
        self._foreseeing = [check for check in checks if isinstance(check, Foresees)]
        self._looking = [check for check in checks if isinstance(check, LooksEarly)]

    def foresee(self, upload: Upload) -> None:
        """Raise `ContentRefused` where *upload* would be in vain, as it is before its bytes."""
        if not upload.is_partial:
            for check in self._foreseeing:
                check.foresee(upload)

    def watch(self, upload: Upload, chunk: Chunk, body: Body) -> Body:
        """
        Return *body* as one that raises `ContentRefused` once the upload's first bytes are refused.

        What has a checksum is not looked at on its way: the fault may be the line's.
        """
        payload = chunk.payload
        has_checksum = payload.checksum is not None or payload.checksum_follows
        if has_checksum or not self._is_wanted(upload, chunk):
            return body
        return _ScreenedBody(
            body,
            _head_size(chunk.length),
            begin=lambda: self._read_back(upload, chunk.offset),
            look=lambda head: self._look(upload, head),
        )

    async def look_back(self, chunk: Chunk, upload: Upload) -> None:
        """Raise `ContentRefused` for first bytes that came with a checksum; *upload* has them."""
        payload = chunk.payload
        size = _head_size(upload.length)
        if (
            (payload.checksum is not None or payload.checksum_follows)
            and size <= upload.offset
            and self._is_wanted(upload, chunk)
        ):
            await self._look(upload, await self._read_back(upload, size))

    def _is_wanted(self, upload: Upload, chunk: Chunk) -> bool:
        return (
            not upload.is_partial
            and chunk.offset < _head_size(chunk.length)
            and any(check.wants_head(upload) for check in self._looking)
        )

    async def _look(self, upload: Upload, head: bytes) -> None:
        for check in self._looking:
            try:
                await check.look(upload, head)
            except ContentRefused as refused:
                refused.check = check.name
                raise

    async def _read_back(self, upload: Upload, size: int) -> bytes:
        if size == 0:
            return b""
        async with self._data.open(upload.id) as data:
            return await data.read(0, size)


class _ScreenedBody(Body):
    """
    A body whose first bytes are looked at as they pass.

    Args:
        body: Where they come from.
        size: How many bytes of the upload to look at.
        begin: Returns those that came before this body.
        look: Judges them.
    """

    def __init__(
        self, body: Body, size: int, *, begin: Callable[[], Awaitable[bytes]], look: Look
    ) -> None:
        self._body = body
        self._missing = size
        self._begin = begin
        self._look = look
        self._head: bytes | None = None

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        count = await self._body.read_into(buffer, patience=patience)
        if self._missing > 0 and count > 0:
            await self._gather(bytes(buffer[: min(count, self._missing)]))
        return count

    async def _gather(self, piece: bytes) -> None:
        if self._head is None:
            self._head = await self._begin()
            self._missing -= len(self._head)
            piece = piece[: self._missing]
        self._head += piece
        self._missing -= len(piece)
        if self._missing == 0:
            await self._look(self._head)

    def interrupt(self, reason: TransferEnded) -> None:
        self._body.interrupt(reason)

    def trailer(self, name: str) -> str | None:
        return self._body.trailer(name)


def _head_size(length: int | None) -> int:
    return HEAD if length is None else min(HEAD, length)
