"""Runs statements in order, many to a commit, on the one thread that owns a connection."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tusd_py.errors import StateError

_T = TypeVar("_T")

#: The most calls that share a commit: what queues up during one fsync under load is far less.
_BATCH = 256


@dataclass(slots=True)
class _Call(Generic[_T]):
    """A function waiting for its turn, and where its outcome is awaited."""

    work: Callable[[sqlite3.Connection], _T]
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[_T]
    result: _T | None = None
    error: BaseException | None = None


class SqliteThread:
    """
    Owns a connection, and commits what has queued up while the last commit ran as one.

    With synchronous=FULL the price of a commit is one flush of the disk, whatever it holds; so
    concurrent requests share it, and each still learns its own outcome after it is durable.

    Args:
        connection: Made with `isolation_level=None` and `check_same_thread=False`; from now on
            nobody else touches it.
        begin: How a transaction begins: `BEGIN IMMEDIATE` to write, `BEGIN` to read.
    """

    def __init__(self, connection: sqlite3.Connection, *, begin: str) -> None:
        self._connection = connection
        self._begin = begin
        self._calls: queue.SimpleQueue[_Call[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)
        self._closed = False
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """
        Run *work* in a transaction and return its result once that is committed.

        Raises:
            StateError: SQLite failed; nothing of *work* was kept.
            TusError: What *work* itself raised; nothing of it was kept.
        """
        if self._closed:
            raise StateError("The server is shutting down: try again in a moment.")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()
        self._calls.put(_Call(work, loop, outcome))
        return await outcome

    async def close(self) -> None:
        """Finish what is queued, then close the connection."""
        self._closed = True
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        open_for_calls = True
        while open_for_calls:
            batch, open_for_calls = self._next_batch()
            if batch:
                self._commit(batch)
                _report(batch)
        self._connection.close()

    def _next_batch(self) -> tuple[list[_Call[Any]], bool]:
        batch = []
        call = self._calls.get()
        while call is not None:
            batch.append(call)
            if len(batch) == _BATCH:
                return batch, True
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Call[Any]]) -> None:
        try:
            self._connection.execute(self._begin)
            for call in batch:
                self._attempt(call)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Nobody's work is durable, whatever its own outcome looked like.
            for call in batch:
                call.error = _explain(error)
            self._roll_back()

    def _attempt(self, call: _Call[Any]) -> None:
        """Run one call so that its failure undoes its own work alone."""
        self._connection.execute("SAVEPOINT call")
        try:
            call.result = call.work(self._connection)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
            call.error = _explain(error) if isinstance(error, sqlite3.Error) else error
            self._connection.execute("ROLLBACK TO call")
        self._connection.execute("RELEASE call")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _explain(error: sqlite3.Error) -> StateError:
    explained = StateError("The server cannot record uploads at the moment: try later.")
    explained.__cause__ = error
    return explained


def _report(batch: list[_Call[Any]]) -> None:
    """Wake up those who wait, one call into each event loop."""
    for loop in {call.loop for call in batch}:
        finished = [call for call in batch if call.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, finished)


def _resolve(batch: list[_Call[Any]]) -> None:
    for call in batch:
        if call.outcome.done():
            continue  # whoever asked was cancelled; the change stands all the same
        if call.error is not None:
            call.outcome.set_exception(call.error)
        else:
            call.outcome.set_result(call.result)
