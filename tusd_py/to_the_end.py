"""Awaits what a thread does to its end, for a thread cannot be cancelled."""

import asyncio
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def to_the_end(call: "asyncio.Future[_T]") -> _T:
    """
    Await *call*, also when cancelled, and again.

    Its thread goes on all the same: the buffer is still in use, and a descriptor that was closed
    below it may be somebody else's connection by then.
    """
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
        if not call.cancelled():
            call.exception()  # nobody else takes it, and asyncio would log that
        raise
