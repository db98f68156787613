"""Reads what somebody else wrote, and no more of it than makes sense."""

from collections.abc import Awaitable, Callable


async def read_within(read: Callable[[], Awaitable[bytes]], longest: int) -> bytes | None:
    """
    Return all that there is, or None as soon as it is more than *longest* bytes.

    Args:
        read: Gives what comes next, and nothing at the end.
        longest: How many bytes may be kept in memory.
    """
    kept = bytearray()
    while piece := await read():
        kept += piece
        if len(kept) > longest:
            return None
    return bytes(kept)
