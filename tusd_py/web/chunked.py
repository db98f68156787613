"""
Decodes `Transfer-Encoding: chunked` (RFC 9112, section 7.1), strictly and without I/O.

Strictly, because every latitude (a bare line feed, blanks around a size, a folded trailer) is a
way to make a proxy in front and this server disagree about where a request ends.
"""

import re
from typing import Final

from multidict import CIMultiDict

from tusd_py.protocol.upload import MAX_LENGTH

_CRLF: Final = b"\r\n"
#: A size with its extensions, and all trailers together; nobody sends a hundredth of that.
_MAX_LINE: Final = 1024
_MAX_TRAILERS: Final = 8192
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")


class ChunkedError(ValueError):
    """
    The framing is broken: where the body ends cannot be known any more.

    Attributes:
        payload: What came in order before the break.
    """

    payload = b""


class ChunkedDecoder:
    """
    Takes a chunked body as it arrives and returns what it carries.

    Attributes:
        ended: Whether the last chunk and its trailers were seen.
        trailers: The fields that came after the body. They belong to this request alone, and
            never become headers: a trailer is written by whoever sends, past every proxy.
    """

    def __init__(self) -> None:
        self.ended = False
        self.trailers: CIMultiDict[str] = CIMultiDict()
        self._line = b""  # a line that has not come to its end
        self._chunk_left = 0  # bytes missing from the chunk that is coming
        self._step = self._read_size
        self._trailer_bytes = 0

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """
        Take *data* and return the payload in it, and what follows the body's end.

        Raises:
            ChunkedError: It breaks the rules.
        """
        pieces: list[bytes] = []
        position = 0
        while position < len(data) and not self.ended:
            if self._chunk_left:
                piece = data[position : position + self._chunk_left]
                pieces.append(piece)
                self._chunk_left -= len(piece)
                position += len(piece)
            else:
                try:
                    position = self._take_line(data, position)
                except ChunkedError as error:
                    error.payload = b"".join(pieces)
                    raise
        return b"".join(pieces), data[position:]

    def _take_line(self, data: bytes, position: int) -> int:
        """Take the line that begins at *position*, or as much of it as is there."""
        newline = data.find(b"\n", position)
        end = len(data) if newline < 0 else newline + 1
        self._line += data[position:end]
        if len(self._line) > _MAX_LINE:
            raise ChunkedError("a line of the chunked framing is too long")
        if newline >= 0:
            line, self._line = self._line, b""
            if not line.endswith(_CRLF):
                raise ChunkedError("a line must end in CR LF")
            self._step(line[:-2])
        return end

    def _read_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise ChunkedError("a chunk must begin with its size in hexadecimal")
        size = int(match[1], 16)
        if size > MAX_LENGTH:
            raise ChunkedError("a chunk is larger than anything can be")
        self._chunk_left = size
        self._step = self._read_chunk_end if size else self._read_trailer

    def _read_chunk_end(self, line: bytes) -> None:
        if line:
            raise ChunkedError("a chunk is longer than its size says")
        self._step = self._read_size

    def _read_trailer(self, line: bytes) -> None:
        if not line:
            self.ended = True
            return
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILERS:
            raise ChunkedError("the trailers are too long")
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            raise ChunkedError("a trailer must be a name, a colon and a value")
        self.trailers.add(match[1].decode("ascii"), match[2].decode("latin-1").strip(" \t"))
