"""Runs calls one after the other, each as soon as the one before is over."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from tusd_py.batch_thread import Call, report

_T = TypeVar("_T")


class InOrder:
    """
    A line of calls, on whichever thread of *pool* is free.

    Where the next call is there before the last one is over, no event loop has to wake up in
    between, and the disk does not wait for that.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: deque[Call[None, Any]] = deque()
        self._lock = threading.Lock()
        self._runs = False

    @property
    def is_busy(self) -> bool:
        """Tell whether a call runs or waits."""
        return self._runs

    def submit(self, work: Callable[[], _T]) -> "asyncio.Future[_T]":
        """
        Have *work* run after what was asked for before; return the future of what comes of it.

        Cancelling the future does not stop the work.
        """
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(Call(lambda _: work(), outcome))
            is_first, self._runs = not self._runs, True
        if is_first:
            self._pool.submit(self._run_all)
        return outcome

    def _run_all(self) -> None:
        while (call := self._next()) is not None:
            try:
                call.result = call.work(None)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
                call.error = error
            report([call])

    def _next(self) -> Call[None, Any] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._runs = False
            return None
