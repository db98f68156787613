"""
Receives a body straight from the transport into the reader's buffers.

Through aiohttp's stream every byte is copied twice more and every segment wakes several functions;
a body with a known length needs none of that. For its duration this protocol stands in for the
connection's: the kernel writes into the buffer that the writer offers, the transport is paused
while it offers none, and past the body's last byte there is never room. Then the transport goes
back, and what the client sends next is a head for aiohttp again.
"""

import asyncio
from typing import Protocol

from tusd_py.errors import Disconnected, IdleTimeout, TooSlow, TransferEnded
from tusd_py.web.pace import Pace


class Owner(Protocol):
    """The protocol that the transport belongs to."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Learn that the connection is gone."""
        ...

    def pause_writing(self) -> None:
        """Learn that the client reads too slowly."""
        ...

    def resume_writing(self) -> None:
        """Learn that it caught up."""
        ...

    def give_back(self, received: int) -> None:
        """Take the transport back; *received* bytes of the body came meanwhile."""
        ...


class Takeover(asyncio.BufferedProtocol):
    """
    Stands in for a connection while a body's bytes come.

    Args:
        owner: Whose transport it is.
        transport: The transport; it reads into this object from now on.
        remaining: Bytes of the body that have not come yet; more than none.
        idle_timeout: How many seconds of silence end it.
        pace: Measures the body, of which a part may have come already.
    """

    def __init__(
        self,
        owner: Owner,
        transport: asyncio.Transport,
        *,
        remaining: int,
        idle_timeout: float,
        pace: Pace,
    ) -> None:
        self._owner = owner
        self._transport = transport
        self._remaining = remaining
        self._idle_timeout = idle_timeout
        self._pace = pace
        self._received = 0
        self._loop = asyncio.get_running_loop()
        self._target: memoryview | None = None
        self._filled = 0
        self._patience = 0.0
        self._may_wait = True
        self._began = 0.0
        self._last_arrival = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended: TransferEnded | None = None
        self._given_back = False
        transport.pause_reading()
        transport.set_protocol(self)

    async def read_into(self, buffer: memoryview, *, patience: float, may_wait: bool = True) -> int:
        """
        Do what `uploads.writer.Body.read_into` promises.

        Where it may not wait for a first byte, because there are others that came before, it
        returns 0 when *patience* is over.
        """
        if self._remaining == 0:
            return 0
        if self._ended is not None:
            raise self._ended
        self._target = buffer[: self._remaining]
        self._filled = 0
        self._patience = patience
        self._may_wait = may_wait
        self._began = self._last_arrival = self._loop.time()
        self._waiter = self._loop.create_future()
        self._arm(min(self._idle_timeout, self._pace.left()))
        self._transport.resume_reading()
        try:
            await self._waiter
        finally:
            self._stand_still()
        self._pace.note(self._loop.time() - self._began, self._filled)
        if self._filled == 0 and self._ended is not None:
            raise self._ended
        return self._filled

    def interrupt(self, reason: TransferEnded) -> None:
        """End the reading; what is in the buffer is still returned."""
        self._end(reason)

    def give_back(self) -> None:
        """Let the transport go back to its owner, wherever the body is."""
        if self._given_back:
            return
        self._given_back = True
        if not self._transport.is_closing():
            self._transport.set_protocol(self._owner)  # type: ignore[arg-type] # it is one
        self._owner.give_back(self._received)

    # --- What the transport calls ---

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the room that is left; never past the body's end."""
        assert self._target is not None  # noqa: S101 - without one the transport is paused
        return self._target[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that *nbytes* came."""
        self._filled += nbytes
        self._received += nbytes
        self._remaining -= nbytes
        self._last_arrival = self._loop.time()
        assert self._target is not None  # noqa: S101 - it was just written to
        if self._filled == len(self._target):
            self._wake()
            if self._remaining == 0:
                self.give_back()
            else:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Let the transport close: whoever sends no more does not get an answer either."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the body where it is."""
        self._end(Disconnected())
        self.give_back()
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._owner.resume_writing()

    # --- Waiting ---

    def _end(self, reason: TransferEnded) -> None:
        if self._ended is None:
            self._ended = reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stand_still(self) -> None:
        """Receive nothing more until the next call."""
        self._target = None
        self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (self._given_back or self._transport.is_closing()):
            self._transport.pause_reading()

    def _arm(self, left: float) -> None:
        self._timer = self._loop.call_later(min(self._patience, left), self._look)

    def _look(self) -> None:
        """Wake the reader where it has waited long enough, for a full buffer or for anything."""
        now = self._loop.time()
        silence_left = self._last_arrival + self._idle_timeout - now
        pace_left = self._pace.left(now - self._began, self._filled)
        if silence_left <= 0:
            self._end(IdleTimeout())
        elif pace_left <= 0:
            self._end(TooSlow())
        elif self._filled or not self._may_wait:
            self._wake()
        else:
            self._arm(min(silence_left, pace_left))
