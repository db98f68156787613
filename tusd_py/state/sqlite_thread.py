"""Runs statements in order, many to a commit, on the one thread that owns a connection."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from tusd_py.batch_thread import BatchThread, Call
from tusd_py.errors import StateError, StateFull
from tusd_py.state.write_turn import WriteTurn

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class SqliteThread:
    """
    Owns a connection, and commits what has queued up while the last commit ran as one.

    With synchronous=FULL the price of a commit is one flush of the disk, whatever it holds; so
    concurrent requests share it, and each still learns its own outcome after it is durable.

    Args:
        connection: Made with `isolation_level=None` and `check_same_thread=False`; from now on
            nobody else touches it.
        begin: How a transaction begins: `BEGIN IMMEDIATE` to write, `BEGIN` to read.
        turn: Waited for before each transaction that writes; closed with the thread.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, begin: str, turn: WriteTurn | None = None
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._turn = turn
        self._thread: BatchThread[sqlite3.Connection] = BatchThread(
            "state", execute=self._execute, close=self._close
        )

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """
        Run *work* in a transaction and return its result once that is committed.

        Raises:
            StateError: SQLite failed; nothing of *work* was kept.
            TusError: What *work* itself raised; nothing of it was kept.
        """
        if self._thread.is_closed:
            raise StateError("The server is shutting down: try again in a moment.")
        return await self._thread.submit(work)

    async def close(self) -> None:
        """Finish what is queued, then close the connection."""
        await self._thread.close()

    def _execute(self, batch: Sequence[Call[sqlite3.Connection, Any]]) -> None:
        with self._turn.taken() if self._turn else nullcontext():
            self._commit(batch)

    def _close(self) -> None:
        self._connection.close()
        if self._turn is not None:
            self._turn.close()

    def _commit(self, batch: Sequence[Call[sqlite3.Connection, Any]]) -> None:
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

    def _attempt(self, call: Call[sqlite3.Connection, Any]) -> None:
        """Run one call so that its failure undoes its own work alone."""
        self._connection.execute("SAVEPOINT call")
        try:
            call.result = call.work(self._connection)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
            call.error = _explain(error) if isinstance(error, sqlite3.Error) else error
            self._connection.execute("ROLLBACK TO call")
        self._connection.execute("RELEASE call")

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # The next BEGIN fails then, and rolls back in its turn; this thread must go on.
            log.exception("A transaction could not be rolled back.")


def _explain(error: sqlite3.Error) -> StateError:
    # Errors of the module itself have no code.
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    kind = StateFull if full else StateError
    explained = kind("The server cannot record uploads at the moment: try later.")
    explained.__cause__ = error
    return explained
