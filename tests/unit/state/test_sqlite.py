"""The state file: what it is, how it is opened, and what beside it can go wrong."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, WEEK, a_final, an_upload, upload_id
from tusd_py.errors import DataDirectoryError, StateError
from tusd_py.state import first_look, opening, statements
from tusd_py.state.opening import open_sqlite
from tusd_py.state.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


@pytest.fixture
async def state(path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(path, strict=True)
    yield store
    await store.close()


def modes(directory: Path, pattern: str) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in directory.glob(pattern)}


async def pragma(store: SqliteStore, name: str) -> object:
    return await store._writer.run(lambda db: db.execute(f"PRAGMA {name}").fetchone()[0])


@pytest.mark.parametrize(("strict", "synchronous"), [(True, 2), (False, 1)])
async def test_every_commit_is_flushed_where_that_is_asked_for(
    path: Path, strict: bool, synchronous: int
) -> None:
    store = await open_sqlite(path, strict=strict)
    assert await pragma(store, "journal_mode") == "wal"
    assert await pragma(store, "synchronous") == synchronous
    await store.close()


async def test_files_are_for_the_server_alone(path: Path, state: SqliteStore) -> None:
    await state.create(an_upload(1))
    names = ("state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm")
    assert modes(path.parent, "state.sqlite3*") == dict.fromkeys(names, 0o600)


async def test_thousand_creations_at_once_share_their_commits(state: SqliteStore) -> None:
    commits: list[str] = []
    state._writer._connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    await asyncio.gather(*(state.create(an_upload(number)) for number in range(1000)))
    assert len(commits) < 100


async def test_readers_do_not_wait_for_a_writer(path: Path, state: SqliteStore) -> None:
    await state.create(an_upload(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM upload")
        async with asyncio.timeout(1):
            assert await state.find(upload_id(1)) == an_upload(1)
            assert len(await state.named("")) == 1
        other.execute("ROLLBACK")


async def test_writer_waits_for_another_process_but_not_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_BUSY_TIMEOUT", 0.1)
    state = await open_sqlite(path, strict=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError):
            await state.create(an_upload(1))
        other.execute("ROLLBACK")
    await state.create(an_upload(1))
    await state.close()


def test_what_is_no_state_file_is_left_alone_and_named(path: Path) -> None:
    diary = b"this is somebody's diary, and no database" * 100
    path.write_bytes(diary)
    with pytest.raises(DataDirectoryError, match="restore it from a backup"):
        asyncio.run(open_sqlite(path, strict=True))
    assert path.read_bytes() == diary


@pytest.mark.parametrize(
    "name",
    [
        "upload",
        "sqlite_autoindex_upload_1",
        "upload_state_expires_at",
        "upload_owner_state",
        "upload_created_at",
        "upload_epoch",
        "upload_address",
        "part",
        "sqlite_autoindex_part_1",
        "part_upload_id",
        "_sqlite_migrations",
    ],
)
async def test_damaged_file_is_refused_with_a_remedy(path: Path, name: str) -> None:
    """As far as a start can know without reading all of it."""
    store = await open_sqlite(path, strict=True)
    for number in range(200):
        await store.create(an_upload(number, address="::1"))
    await store.create(a_final(200, 1))
    await store.close()
    await asyncio.to_thread(garble, path, name)
    with pytest.raises(DataDirectoryError, match="`tusd-py verify --repair`"):
        await open_sqlite(path, strict=True)


async def test_first_look_takes_no_longer_for_more_uploads(state: SqliteStore) -> None:
    plans = await state._reader.run(
        lambda db: {
            question: [row[-1] for row in db.execute("EXPLAIN QUERY PLAN " + question)]
            for question in first_look._QUESTIONS
            if "max" in question
        }
    )
    for question, plan in plans.items():
        assert len(plan) == 1, (question, plan)
        assert plan[0].startswith("SEARCH"), (question, plan)


def garble(path: Path, name: str) -> None:
    """Garble the first page of a table or an index."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        (page,) = found.fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def test_file_that_may_not_be_written_is_refused_and_not_opened_to_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataDirectoryError, match="writable"):
        asyncio.run(open_sqlite(path, strict=True))


async def test_missing_directory_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="writable"):
        await open_sqlite(tmp_path / "missing" / "state.sqlite3", strict=True)


def test_guest_does_not_make_a_state_file(path: Path) -> None:
    with pytest.raises(DataDirectoryError):
        asyncio.run(open_sqlite(path, strict=True, create=False))
    assert not path.exists()


async def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    stores = await asyncio.gather(*(open_sqlite(path, strict=False) for _ in range(8)))
    await stores[0].create(an_upload(1))
    for store in stores:
        assert await store.find(upload_id(1)) == an_upload(1)
        await store.close()


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (statements.FIND, ("x",)),
        (statements.FIND_PARTS, ("x",)),
        (statements.DUE, (0, 1)),
        (statements.UNFINISHED_FINALS, ()),
        (statements.FINALS_OF, ("x",)),
        (statements.NAMED, ("00", "00g")),
        (statements.CHECKING, ()),
        ("SELECT max(epoch) FROM upload", ()),
    ],
    ids=[
        *("find", "parts", "due", "unfinished-finals", "finals-of", "named", "checking"),
        "highest-epoch",
    ],
)
async def test_frequent_questions_are_answered_by_an_index(
    state: SqliteStore, statement: str, values: tuple[object, ...]
) -> None:
    plan = await state._reader.run(
        lambda db: [row[-1] for row in db.execute("EXPLAIN QUERY PLAN " + statement, values)]
    )
    assert plan
    assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step], plan


async def test_hundred_thousand_uploads_do_not_slow_finding_down(state: SqliteStore) -> None:
    def fill(db: sqlite3.Connection) -> None:
        db.execute(
            """
            WITH RECURSIVE number (value) AS (
                SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < 100000
            )
            INSERT INTO upload (id, length, state, created_at, touched_at, expires_at)
            SELECT printf('%032x', value), 1, 'open', value, value, ? FROM number
            """,
            (int((THEN + WEEK) * 1000),),
        )

    await state._writer.run(fill)
    await state.create(a_final(1_000_000, 5, 6))
    async with asyncio.timeout(2):
        for number in range(1, 501):
            assert await state.find(upload_id(number)) is not None
        assert await state.due(THEN, 500) == []
        assert await state.count_living(10) == 10
        assert len(await state.unfinished_finals()) == 1
        assert len(await state.finals_of(upload_id(5))) == 1
        assert len(await state.list_uploads(state=None, owner=None, limit=10)) == 10
