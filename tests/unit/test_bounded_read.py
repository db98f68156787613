"""Everything is read up to the bound, and nothing once it is passed."""

from collections.abc import Awaitable, Callable

import pytest

from tusd_py.bounded_read import read_within


def reader(*pieces: bytes) -> Callable[[], Awaitable[bytes]]:
    """Return what gives one piece after the other, and fails where nothing should be read."""
    left = iter(pieces)

    async def read() -> bytes:
        return next(left)

    return read


@pytest.mark.parametrize("pieces", [(b"",), (b"abc", b""), (b"a", b"bcd", b"e", b"")])
async def test_everything_up_to_the_bound(pieces: tuple[bytes, ...]) -> None:
    assert await read_within(reader(*pieces), 5) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [(b"abcdef",), (b"abcde", b"f"), (b"a", b"bcdefgh")])
async def test_nothing_after_it_is_passed(pieces: tuple[bytes, ...]) -> None:
    assert await read_within(reader(*pieces), 5) is None
