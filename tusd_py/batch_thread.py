"""Hands calls to a thread in batches, so that many requests share one change of threads."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_C = TypeVar("_C")
_T = TypeVar("_T")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Call(Generic[_C, _T]):
    """
    Work waiting for its turn.

    Attributes:
        work: Called with the thread's context.
        outcome: Where it is awaited.
        result: What *work* returned.
        error: What it raised instead, or why it was undone.
    """

    work: Callable[[_C], _T]
    outcome: "asyncio.Future[_T]"
    result: _T | None = None
    error: BaseException | None = None


class BatchThread(Generic[_C]):
    """
    Runs calls in order on one thread.

    Waking a thread and being woken by it costs more than most of what it is asked for. So calls
    that come in one turn of the event loop are handed over together, those that come while the
    thread is busy become its next batch, and each batch reports back once.

    Args:
        name: The thread's name.
        execute: Runs a batch, and leaves a result or an error in each of its calls.
        limit: The most calls in a batch.
        close: Called on the thread, last.
    """

    def __init__(
        self,
        name: str,
        *,
        execute: Callable[[Sequence[Call[_C, Any]]], None],
        limit: int = 256,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._execute = execute
        self._limit = limit
        self._close = close
        self._closed = False
        self._waiting: list[Call[_C, Any]] = []
        self._handed_over: queue.SimpleQueue[list[Call[_C, Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Tell whether `close` was called, after which nothing more may be asked for."""
        return self._closed

    def submit(self, work: Callable[[_C], _T]) -> "asyncio.Future[_T]":
        """
        Have *work* run; return the future of what it returns or raises.

        Cancelling the future does not stop the work. Calls run in the order of their submission.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._hand_over)
        self._waiting.append(Call(work, outcome))
        return outcome

    async def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._closed = True
        self._hand_over()
        self._handed_over.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._waiting:
            self._handed_over.put(self._waiting)
            self._waiting = []

    def _run(self) -> None:
        is_open = True
        while is_open:
            calls, is_open = self._take()
            for start in range(0, len(calls), self._limit):
                batch = calls[start : start + self._limit]
                self._execute(batch)
                report(batch)
        self._close()

    def _take(self) -> tuple[list[Call[_C, Any]], bool]:
        """Return everything that was handed over, and whether more may come."""
        calls: list[Call[_C, Any]] = []
        more = self._handed_over.get()
        with suppress(queue.Empty):
            while more is not None:
                calls += more
                more = self._handed_over.get_nowait()
            return calls, False
        return calls, True


def report(batch: Sequence[Call[Any, Any]]) -> None:
    """Wake up those who wait, with one call into each event loop."""
    for loop in {call.outcome.get_loop() for call in batch}:
        mine = [call for call in batch if call.outcome.get_loop() is loop]
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:
            log.debug("An event loop was closed while %d calls were under way.", len(mine))


def _resolve(batch: Sequence[Call[Any, Any]]) -> None:
    for call in batch:
        if call.outcome.done():
            continue  # whoever asked was cancelled; what was done stands all the same
        if call.error is not None:
            call.outcome.set_exception(call.error)
        else:
            call.outcome.set_result(call.result)
