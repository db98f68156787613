"""Runs blocking calls beside the event loop; those that wait for the disk wait together."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from tusd_py.batch_thread import BatchThread, Call
from tusd_py.storage.in_order import InOrder
from tusd_py.to_the_end import to_the_end

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Makes durable what a call did before.
Flush = Callable[[], None]

#: Long writes wait for the disk side by side; it is latency they hide, not work they share.
_THREADS = 16
#: How many flushes of one batch run side by side; each takes its share of the batch in order.
_FLUSHERS = 8
#: How much long writes give way to the event loop (`nice`). Measured with four uploads into the
#: page cache on two processors: the slowest hundredth of HEADs takes 22 ms instead of 33.
_NICE = 5


class DataThreads:
    """
    The threads of a data store.

    Waking a thread costs more than copying a small write into the page cache, and a flush costs
    less when the journal's commit that it waits for has many others in it, too. So small calls go
    in batches, and within a batch everything is done before anything is flushed. Measured on ext4
    with 64 connections and uploads of 16 KiB, against a thread's turn for each: half the CPU, 1.6
    times as many uploads.

    With *give_way*, long writes let the event loop go first. They should where they copy into the
    page cache and keep processors busy; past it they wait for the disk, and giving way costs speed.

    A thread cannot be cancelled. Whoever is cancelled while it waits goes on waiting until the call
    is over: the file and the buffer are still in use.
    """

    def __init__(self, *, give_way: bool) -> None:
        self._pool = ThreadPoolExecutor(
            _THREADS, thread_name_prefix="data", initializer=_step_back if give_way else None
        )
        self._flushers = ThreadPoolExecutor(2 * _FLUSHERS, thread_name_prefix="data-flush")
        self._quick: BatchThread[None] = BatchThread("data-quick", execute=_run_each)
        # Two, so that a new upload's name and another one's bytes share a commit of the journal.
        self._names: BatchThread[None] = BatchThread("data-names", execute=self._run_then_flush)
        self._bytes: BatchThread[None] = BatchThread("data-bytes", execute=self._run_then_flush)

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run what may take long."""
        loop = asyncio.get_running_loop()
        return await to_the_end(loop.run_in_executor(self._pool, lambda: call(*args, **kwargs)))

    def in_order(self) -> InOrder:
        """Return a line of its own for what may take long."""
        return InOrder(self._pool)

    async def run_quick(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run what does not wait for the disk."""
        return await _in_turn(self._quick, lambda _: call(*args, **kwargs))

    async def make_durable_name(self, make: Callable[[], Flush]) -> None:
        """Run *make*, which makes a file, and then the flush that it returns."""
        await _in_turn(self._names, lambda _: make())

    async def write_durable_bytes(self, write: Callable[[], Flush]) -> None:
        """Run *write*, which writes a few bytes, and then the flush that it returns."""
        await _in_turn(self._bytes, lambda _: write())

    async def flush_together(self, name: Flush, content: Flush) -> None:
        """Run both flushes of a new file side by side, each among others of its kind."""
        ended = await asyncio.gather(
            _in_turn(self._names, lambda _: name),
            _in_turn(self._bytes, lambda _: content),
            return_exceptions=True,
        )
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome

    def _run_then_flush(self, batch: Sequence[Call[None, Any]]) -> None:
        """Run each call, then the flushes that they returned; each failure is its call's alone."""
        _run_each(batch)
        shares = [batch[start::_FLUSHERS] for start in range(min(len(batch), _FLUSHERS))]
        if len(shares) == 1:
            _flush_each(batch)
        else:
            list(self._flushers.map(_flush_each, shares))

    async def close(self) -> None:
        """Finish what was asked for, then end the threads."""
        for batches in (self._quick, self._names, self._bytes):
            await batches.close()
        for pool in (self._pool, self._flushers):
            await asyncio.to_thread(pool.shutdown)


async def _in_turn(batches: BatchThread[None], work: Callable[[None], _T]) -> _T:
    try:
        return await batches.submit(work)
    except asyncio.CancelledError:
        await batches.submit(lambda _: _nothing)  # by its turn, the call above is over
        raise


def _step_back() -> None:
    """
    Let the event loop go first where processors are short: its turns are brief, and many wait.

    On Linux a thread has a priority of its own.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _nothing() -> None:
    """Flush nothing."""


def _run_each(batch: Sequence[Call[None, Any]]) -> None:
    for call in batch:
        try:
            call.result = call.work(None)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
            call.error = error


def _flush_each(batch: Sequence[Call[None, Any]]) -> None:
    for call in batch:
        if call.error is None:
            flush: Flush = call.result  # type: ignore[assignment] # set by `_run_each`
            call.result = None
            try:
                flush()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
                call.error = error
