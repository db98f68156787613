"""Calls share commits, each learns its own outcome, and the thread outlives every failure."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tusd_py.errors import Displaced, StateError
from tusd_py.state.sqlite_thread import SqliteThread


class WatchedConnection(sqlite3.Connection):
    """A connection that counts its commits, and fails when told to."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.statements: list[str] = []
        self.fail: dict[str, sqlite3.Error] = {}

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self.statements.append(statement)
        error = self.fail.pop(statement, None)
        if error is not None:
            raise error
        return super().execute(statement, *values)


@pytest.fixture
def connection(tmp_path: Path) -> WatchedConnection:
    made = sqlite3.connect(
        tmp_path / "test.sqlite3",
        isolation_level=None,
        check_same_thread=False,
        factory=WatchedConnection,
    )
    made.execute("CREATE TABLE number (value INTEGER PRIMARY KEY)")
    made.statements.clear()
    return made


@pytest.fixture
async def thread(connection: WatchedConnection) -> AsyncIterator[SqliteThread]:
    made = SqliteThread(connection, begin="BEGIN IMMEDIATE")
    yield made
    async with asyncio.timeout(5):
        await made.close()


def adding(value: int, *, then: Exception | None = None) -> Callable[[sqlite3.Connection], int]:
    """Return work that adds *value*, and raises *then* after it."""

    def work(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO number VALUES (?)", (value,))
        if then is not None:
            raise then
        return value

    return work


async def values(thread: SqliteThread) -> list[int]:
    return await thread.run(
        lambda db: [value for (value,) in db.execute("SELECT value FROM number ORDER BY value")]
    )


class Gate:
    """Work that keeps the thread busy until it is opened."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._open = threading.Event()

    def __call__(self, _: sqlite3.Connection) -> None:
        self._begun.set()
        assert self._open.wait(5)

    async def has_begun(self) -> None:
        await asyncio.to_thread(self._begun.wait, 5)

    def open(self) -> None:
        self._open.set()


async def test_result_is_returned_once_it_is_committed(
    thread: SqliteThread, connection: WatchedConnection
) -> None:
    assert await thread.run(adding(1)) == 1
    assert connection.statements[-1] == "COMMIT"
    assert await values(thread) == [1]


async def test_what_queues_up_during_a_commit_shares_the_next(
    thread: SqliteThread, connection: WatchedConnection
) -> None:
    gate = Gate()
    first = asyncio.create_task(thread.run(gate))
    await gate.has_begun()
    rest = [asyncio.create_task(thread.run(adding(value))) for value in range(1000)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(first, *rest)
    assert connection.statements.count("COMMIT") <= 1 + 4
    assert await values(thread) == list(range(1000))


async def test_calls_run_in_the_order_they_were_made(thread: SqliteThread) -> None:
    seen: list[int] = []

    def seeing(number: int) -> Callable[[sqlite3.Connection], None]:
        return lambda _: seen.append(number)

    await asyncio.gather(*(thread.run(seeing(number)) for number in range(300)))
    assert seen == list(range(300))


@pytest.mark.parametrize("error", [Displaced(), ZeroDivisionError("a bug")])
async def test_call_that_raises_undoes_its_own_work_alone(
    thread: SqliteThread, error: Exception
) -> None:
    gate = Gate()
    first = asyncio.create_task(thread.run(gate))
    await gate.has_begun()
    works = [adding(1), adding(2, then=error), adding(3), adding(1), adding(4)]
    rest = [asyncio.create_task(thread.run(work)) for work in works]
    await asyncio.sleep(0)
    gate.open()
    await first
    outcomes = await asyncio.gather(*rest, return_exceptions=True)
    assert outcomes[0::2] == [1, 3, 4]
    assert outcomes[1] is error
    assert isinstance(outcomes[3], StateError)
    assert isinstance(outcomes[3].__cause__, sqlite3.IntegrityError)
    assert await values(thread) == [1, 3, 4]


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "SAVEPOINT call", "COMMIT"])
async def test_commit_that_fails_keeps_nothing_and_the_next_goes_on(
    thread: SqliteThread, connection: WatchedConnection, statement: str
) -> None:
    gate = Gate()
    first = asyncio.create_task(thread.run(gate))
    await gate.has_begun()
    rest = [asyncio.create_task(thread.run(adding(value))) for value in range(5)]
    await asyncio.sleep(0)
    connection.fail[statement] = sqlite3.OperationalError("disk I/O error")
    gate.open()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome is not None and outcome not in range(5)]
    assert failed
    assert all(isinstance(outcome, StateError) for outcome in failed)
    kept = await values(thread)
    assert kept == [outcome for outcome in outcomes[1:] if outcome in range(5)]
    assert await thread.run(adding(99)) == 99


async def test_rollback_that_fails_too_does_not_end_the_thread(
    thread: SqliteThread, connection: WatchedConnection
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    connection.fail = {"COMMIT": error, "ROLLBACK": error}
    async with asyncio.timeout(5):
        with pytest.raises(StateError):
            await thread.run(adding(1))
        with suppress(StateError):  # it may find the transaction still open, and ends that
            await thread.run(adding(2))
        assert await thread.run(adding(3)) == 3
    assert 1 not in await values(thread)


async def test_full_disk_refuses_and_keeps_what_was_committed(
    thread: SqliteThread, connection: WatchedConnection
) -> None:
    await thread.run(adding(1))
    pages = await thread.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await thread.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    outcomes = await asyncio.gather(
        *(thread.run(adding(value)) for value in range(2, 5000)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, StateError)]
    assert refused
    assert await values(thread) == [1, *(each for each in outcomes if isinstance(each, int))]
    await thread.run(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await thread.run(adding(9999)) == 9999


async def test_change_of_one_who_was_cancelled_stands(thread: SqliteThread) -> None:
    gate = Gate()
    first = asyncio.create_task(thread.run(gate))
    await gate.has_begun()
    adding_one = asyncio.create_task(thread.run(adding(1)))
    await asyncio.sleep(0)
    adding_one.cancel()
    gate.open()
    await first
    assert await values(thread) == [1]
    assert adding_one.cancelled()


async def test_closing_finishes_what_is_queued_and_refuses_the_rest(
    connection: WatchedConnection, tmp_path: Path
) -> None:
    thread = SqliteThread(connection, begin="BEGIN IMMEDIATE")
    queued = [asyncio.create_task(thread.run(adding(value))) for value in range(700)]
    await asyncio.sleep(0)
    await thread.close()
    assert await asyncio.gather(*queued) == list(range(700))
    with pytest.raises(StateError):
        await thread.run(adding(701))
    with sqlite3.connect(tmp_path / "test.sqlite3") as reader:
        assert reader.execute("SELECT count(*) FROM number").fetchone() == (700,)
    reader.close()
