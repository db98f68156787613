"""Lets bodies in one after the other, and no faster, where somebody may have only so much."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from tusd_py.errors import InvalidBody, TooManyTransfers, TransferEnded
from tusd_py.locks.locker import Hold
from tusd_py.locks.rates import Rates
from tusd_py.locks.slots import Slots
from tusd_py.protocol.limits import Account
from tusd_py.uploads.writer import Body

#: Seconds between two looks at whether another process has given a place back.
_LOOK_AGAIN = 0.05
#: How much of a second's bytes is received before it is waited again, and the least of it: fewer
#: bytes at a time would only cost more.
_PIECE, _LEAST = 0.05, 512
#: Seconds until what another process charges at the moment is charged; and how often that is tried
#: before the piece is let pass.
_CHARGE_AGAIN, _CHARGES = 0.001, 50


class Throttle:
    """
    Waits before bodies, and in them.

    Args:
        slots: Counts transfers.
        rates: Counts their bytes.
        timeout: Seconds that a body waits for its turn.
    """

    def __init__(self, slots: Slots, rates: Rates, *, timeout: float) -> None:
        self._slots = slots
        self._rates = rates
        self._timeout = timeout

    @asynccontextmanager
    async def admit(
        self, accounts: Sequence[Account], body: Body, *, hold: Hold | None = None
    ) -> AsyncIterator[Body]:
        """
        Wait until *body* may be received; then yield it, no faster than it may come.

        Args:
            accounts: Whom it counts for.
            body: Nothing of it is read, nor asked for, before its turn.
            hold: The hold of an upload that goes on by it; None where it begins one.

        Raises:
            TooManyTransfers: On entering: no other one ended in time.
            TransferEnded: On entering: somebody wants the upload.
        """
        limited = [each for each in accounts if each.limits.transfers is not None]
        places = await self._wait(limited, hold) if limited else []
        try:
            paced = [each for each in accounts if each.limits.rate is not None]
            yield _PacedBody(body, self._rates, paced) if paced else body
        finally:
            self._give_back(places)

    async def _wait(self, accounts: Sequence[Account], hold: Hold | None) -> list[int]:
        turn = _Turn()
        if hold is not None:
            hold.when_wanted(turn.end)
        deadline = asyncio.get_running_loop().time() + self._timeout
        while isinstance(places := self._take(accounts), Account):
            if turn.ended is not None:
                raise turn.ended
            if asyncio.get_running_loop().time() >= deadline:
                most = places.limits.transfers or 0
                setting = places.setting("transfers")
                raise TooManyTransfers(setting, most, is_creation=hold is None)
            await turn.sleep(_LOOK_AGAIN)
        return places

    def _take(self, accounts: Sequence[Account]) -> list[int] | Account:
        """Take a place of each account; where one has none left, take none and return it."""
        places: list[int] = []
        for account in accounts:
            place = self._slots.take(account, account.limits.transfers or 0)
            if place is None:
                self._give_back(places)
                return account
            places.append(place)
        return places

    def _give_back(self, places: Sequence[int]) -> None:
        for place in places:
            self._slots.give_back(place)


class _Turn:
    """Waits, unless that was interrupted."""

    def __init__(self) -> None:
        self.ended: TransferEnded | None = None
        self._event = asyncio.Event()

    def end(self, reason: TransferEnded) -> None:
        """End the waiting, and all later one; the first reason stands."""
        self.ended = self.ended or reason
        self._event.set()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long, or until the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class _PacedBody(Body):
    """
    A body that is read in small pieces, each of which is waited for until it is paid.

    While it waits nothing is read, so that the client is slowed down by TCP; and it is no silence
    of the client's.
    """

    def __init__(self, body: Body, rates: Rates, accounts: Sequence[Account]) -> None:
        self._body = body
        self._rates = rates
        self._accounts = [(each, each.limits.rate or 1) for each in accounts]
        self._piece = max(_LEAST, int(_PIECE * min(rate for _, rate in self._accounts)))
        self._turn = _Turn()
        self._loop = asyncio.get_running_loop()
        self._paid_at = 0.0
        self._ended: TransferEnded | InvalidBody | None = None

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        if self._ended is not None:
            raise self._ended
        count = 0
        until = self._loop.time() + patience
        while count < len(buffer):
            if not await self._is_paid(until if count else math.inf):
                break
            piece = buffer[count : count + self._piece]
            try:
                came = await self._body.read_into(
                    piece, patience=max(0.0, until - self._loop.time())
                )
            except (TransferEnded, InvalidBody) as ended:
                if count == 0:
                    raise
                self._ended = ended  # what came before it comes first
                break
            count += came
            await self._pay(came)
            if came < len(piece):
                break
        return count

    def interrupt(self, reason: TransferEnded) -> None:
        self._body.interrupt(reason)
        self._turn.end(reason)

    def trailer(self, name: str) -> str | None:
        return self._body.trailer(name)

    async def _is_paid(self, until: float) -> bool:
        """Wait until the last piece is paid, but not past *until*; tell whether it may go on."""
        due = min(self._paid_at, until)
        # What arrived before an interruption is taken without any more waiting.
        while self._turn.ended is None and (left := due - self._loop.time()) > 0:
            await self._turn.sleep(left)  # a timer may be early by a millisecond
        return self._paid_at <= until or self._turn.ended is not None

    async def _pay(self, count: int) -> None:
        for account, rate in self._accounts if count else ():
            for _ in range(_CHARGES):
                wait = self._rates.charge(account, count, rate)
                if wait is not None:
                    self._paid_at = max(self._paid_at, self._loop.time() + wait)
                    break
                await asyncio.sleep(_CHARGE_AGAIN)
