"""
A request's body as it arrives: its bytes are counted, or its chunks decoded, here.

Like `connection`, this leans on inner names of aiohttp, which `has_names` holds against the
installed version.
"""

from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError
from multidict import CIMultiDict

from tusd_py.web.chunked import ChunkedDecoder, ChunkedError


def has_names() -> bool:
    """Tell whether the installed aiohttp has the inner names this file leans on."""
    return all(hasattr(StreamReader, name) for name in ("_read_nowait", "_buffer", "_size"))


class ReceivedBody(StreamReader):
    """
    A body that knows where it ends.

    Args:
        protocol: What is told to pause while too much is waiting here.
        limit: How many bytes that is.
        length: How many bytes the body has; None where it comes in chunks.

    Attributes:
        trailers: The fields that came after it.
        answered: Whether its request is answered; nobody reads it then but aiohttp, which drains
            what still comes, and takes an exception for a bug.
        missing: How many bytes have not come; 0 where only its chunks can tell.
    """

    __slots__ = ("_decoder", "answered", "missing", "trailers")

    def __init__(self, protocol: BaseProtocol, limit: int, length: int | None, loop: Any) -> None:
        super().__init__(protocol, limit, loop=loop)
        self.trailers: CIMultiDict[str] = CIMultiDict()
        self.answered = False
        self.missing = length or 0
        self._decoder = ChunkedDecoder() if length is None else None

    def take(self, data: bytes) -> bytes:
        """
        Take what is of the body, and return what follows it.

        Raises:
            ChunkedError: Its framing is broken: it ends here, and nothing after it can be trusted.
        """
        if self._decoder is not None:
            return self._take_chunks(self._decoder, data)
        piece, rest = data[: self.missing], data[self.missing :]
        self.missing -= len(piece)
        self.feed_data(piece)
        if self.missing == 0:
            self.feed_eof()
        return rest

    def count(self, received: int) -> None:
        """Note that so many of the bytes that were missing came another way."""
        self.missing -= received
        self.total_bytes += received
        if self.missing == 0:
            self.feed_eof()

    def _take_chunks(self, decoder: ChunkedDecoder, data: bytes) -> bytes:
        try:
            payload, rest = decoder.decode(data)
        except ChunkedError as error:
            if not self.answered:
                self.feed_data(error.payload)
                self.set_exception(RequestPayloadError(str(error)))
            self.feed_eof()  # aiohttp would wait for an end that cannot come
            raise
        self.feed_data(payload)
        if decoder.ended:
            self.trailers = decoder.trailers
            self.feed_eof()
        return rest


def buffered(content: StreamReader) -> int:
    """Return how many bytes have arrived and were not read."""
    return 0 if content is EMPTY_PAYLOAD else content._size


def arrived(content: StreamReader, limit: int) -> bytes:
    """
    Return up to *limit* bytes that have arrived, without waiting.

    Unlike aiohttp's reading methods this works after the connection broke, too: what arrived in
    order before that is the client's, and is kept.
    """
    if content is EMPTY_PAYLOAD or not content._buffer:
        return b""
    return content._read_nowait(limit)
