"""Tells: delivers each committed message at least once, and in order for each upload."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from tusd_py.errors import HookUnavailable, TusError, UploadNotFound
from tusd_py.hooks.hook import Hook, Point
from tusd_py.state.outbox import Delivery, Outbox

log = logging.getLogger(__name__)

#: Seconds between looks for what is due: other processes commit messages, too.
_LOOK_EVERY: Final = 0.25
#: Seconds between looks at how much there is.
_COUNT_EVERY: Final = 5.0
#: Uploads whose messages are on their way to one hook at the same time.
_SIDE_BY_SIDE: Final = 16
#: Seconds before the first new attempt, and the most before any.
_SOONEST: Final = 1.0
_LATEST: Final = 3600.0
#: Characters of an error that are kept.
_LONGEST_ERROR: Final = 300


class Meter(Protocol):
    """Counts deliveries, on the event loop."""

    def hook_delivered(self) -> None:
        """Note that a message has arrived."""
        ...

    def hook_failed(self) -> None:
        """Note an attempt that failed."""
        ...

    def hooks_waiting(self, pending: int, dead: int) -> None:
        """Note how many deliveries there are."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What deliveries go by.

    Attributes:
        is_ours: Tells whether this process is the one that delivers, of all that serve.
        timeout: How long an attempt may take, in seconds.
        give_up_after: After how many seconds of failing a message is dead.
        clock: Returns seconds since the epoch.
        chance: Returns a random number of at least 0 and less than 1.
        stop: Makes whoever is writing to an upload leave, and removes it.
    """

    is_ours: Callable[[], bool]
    timeout: float
    give_up_after: float
    clock: Callable[[], float]
    chance: Callable[[], float]
    stop: Callable[[str], Awaitable[None]]


class Courier:
    """
    Delivers to one hook.

    A message is forgotten after it has arrived, and not before; so a crash in between makes it
    arrive twice, and nothing makes it not arrive.
    """

    def __init__(self, hook: Hook, outbox: Outbox, terms: Terms, meter: Meter) -> None:
        self._hook = hook
        self._outbox = outbox
        self._terms = terms
        self._meter = meter
        self._bell = outbox.bell()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._ended: set[str] = set()

    async def run(self) -> None:
        """Deliver for ever; what is under way when this is cancelled is told again some day."""
        try:
            while True:
                self._bell.clear()
                try:
                    if self._terms.is_ours():
                        await self._start_due()
                except Exception:
                    log.exception("Deliveries stopped for a moment.")
                # Not wait_for(), which loses a cancellation that comes with the bell (Python 3.11).
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        await self._bell.wait()
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _start_due(self) -> None:
        if len(self._under_way) == _SIDE_BY_SIDE:
            return
        # What ends while the store is read may be among what it shows, as if it was due still.
        self._ended.clear()
        try:
            # Those under way are due still, one for each upload.
            due = await self._outbox.due(self._hook.name, self._terms.clock(), _SIDE_BY_SIDE)
        except TusError as error:
            log.error("What hooks are to be told cannot be read: %s", error.message)
            return
        for delivery in due:
            upload_id = delivery.message.upload_id
            if upload_id in self._under_way or upload_id in self._ended:
                continue
            if len(self._under_way) < _SIDE_BY_SIDE:
                task = asyncio.create_task(self._deliver(delivery))
                self._under_way[upload_id] = task

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._attempt(delivery)
        except TusError as error:
            # Not noted, so it is told again, which is what was promised.
            log.error("A delivery cannot be noted: %s", error.message)
            await asyncio.sleep(_SOONEST)
        except Exception:
            log.exception("A delivery failed, and is tried again.")
            await asyncio.sleep(_SOONEST)
        finally:
            del self._under_way[delivery.message.upload_id]
            self._ended.add(delivery.message.upload_id)
            self._bell.set()

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(self._terms.timeout):
                reply = await self._hook.tell(delivery.message)
        except TimeoutError:
            await self._failed(delivery, HookUnavailable("did not answer in time"))
        except HookUnavailable as error:
            await self._failed(delivery, error)
        except Exception as error:
            log.exception("A hook has a bug.")
            reason = f"{type(error).__name__}: {error}"
            await self._failed(delivery, HookUnavailable(reason))
        else:
            if reply.stops and delivery.message.point is Point.POST_RECEIVE:
                with suppress(UploadNotFound):
                    await self._terms.stop(delivery.message.upload_id)
            await self._outbox.delivered(delivery)
            self._meter.hook_delivered()

    async def _failed(self, delivery: Delivery, error: HookUnavailable) -> None:
        self._meter.hook_failed()
        now, reason = self._terms.clock(), error.reason[:_LONGEST_ERROR]
        known = {"event_id": delivery.message.event_id, "hook": self._hook.name, "reason": reason}
        if now - delivery.since >= self._terms.give_up_after:
            log.error("A hook was not told, and it is given up: see `tusd-py hooks`.", extra=known)
            await self._outbox.bury(delivery, error=reason, now=now)
            return
        wait = pause(delivery.attempts, self._terms.chance(), error.retry_after)
        log.warning("A hook was not told, and is told again in %.1fs.", wait, extra=known)
        await self._outbox.postpone(delivery, until=now + wait, error=reason)


def pause(failures: int, chance: float, retry_after: float | None) -> float:
    """
    Return how many seconds to wait before the next attempt: twice as many each time.

    Args:
        failures: How often it had failed before.
        chance: A random number, so that not all come back at the same time.
        retry_after: What the hook itself asked for; obeyed up to an hour.
    """
    doubled = _SOONEST * 2.0 ** min(failures, 20) * (1 + chance)
    wait = min(doubled, _LATEST * (1 + chance) / 2)
    return max(wait, min(retry_after or 0.0, _LATEST))


async def deliver_all(hooks: Sequence[Hook], outbox: Outbox, terms: Terms, meter: Meter) -> None:
    """Deliver to every hook for ever, and count what waits."""
    async with asyncio.TaskGroup() as group:
        for hook in hooks:
            group.create_task(Courier(hook, outbox, terms, meter).run())
        group.create_task(_count(outbox, terms, meter))


async def _count(outbox: Outbox, terms: Terms, meter: Meter) -> None:
    while True:
        if terms.is_ours():
            with suppress(TusError):
                meter.hooks_waiting(*await outbox.count())
        await asyncio.sleep(_COUNT_EVERY)
