"""Bytes of any length that can be made again from a seed, so that nobody has to keep them."""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

#: Bytes made at a time. Each cell begins with its seed and number, and goes on with a stretch of
#: the pool that both choose: bytes of another upload or another place are never taken for it.
CELL = 64 * 1024
_HEADER = struct.Struct("<QQ")
_SPREAD = 4 * 1024 * 1024
_POOL = memoryview(random.Random(0).randbytes(_SPREAD + CELL))


class Source(Protocol):
    """Something to upload."""

    @property
    def length(self) -> int:
        """Return how many bytes it has."""
        ...

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Return the bytes from *start* to *stop*, a cell at most at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """A file that exists only while somebody looks at it."""

    seed: int
    length: int

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            number, skipped = divmod(start, CELL)
            piece = self._cell(number)[skipped : skipped + stop - start]
            yield piece
            start += len(piece)

    def _cell(self, number: int) -> bytes:
        at = hash((self.seed, number)) % _SPREAD
        header = _HEADER.pack(self.seed, number)
        return b"".join((header, _POOL[at : at + CELL - len(header)]))


@dataclass(frozen=True, slots=True)
class Joined:
    """Several contents, one after the other."""

    parts: Sequence[Source]

    @property
    def length(self) -> int:
        return sum(part.length for part in self.parts)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        begin = 0
        for part in self.parts:
            first, last = max(start - begin, 0), min(stop - begin, part.length)
            if first < last:
                yield from part.pieces(first, last)
            begin += part.length


class Comparison:
    """
    Holds bytes that come in order against what they should be.

    Attributes:
        position: How many bytes were right.
        wrong_at: The first byte that was not; None so far.
    """

    def __init__(self, source: Source) -> None:
        self.position = 0
        self.wrong_at: int | None = None
        self._source = source

    @property
    def is_whole(self) -> bool:
        """Tell whether every byte came and was right."""
        return self.wrong_at is None and self.position == self._source.length

    def feed(self, data: bytes) -> None:
        """Compare *data* with what comes next."""
        if self.wrong_at is not None:
            return
        stop = self.position + len(data)
        expected = b"".join(self._source.pieces(self.position, stop))
        if data == expected:
            self.position = stop
        else:
            pairs = enumerate(zip(data, expected, strict=False))
            same = next((at for at, (is_, should) in pairs if is_ != should), len(expected))
            self.wrong_at = self.position + same
