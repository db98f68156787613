"""The schema is brought up to date once, by one process at a time, and never back."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from tusd_py.errors import DataDirectoryError
from tusd_py.state.migrations import m001_uploads, migrate


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    return tmp_path / "state.lock"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path)) as connection:
        yield connection


def connect(directory: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        directory / "state.sqlite3", isolation_level=None, check_same_thread=False
    )


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_new_file_gets_every_step(db: sqlite3.Connection, lock_file: Path) -> None:
    assert migrate(db, lock_file)[0] == "m001_uploads"
    assert {"upload", "part"} <= tables(db)


def test_second_time_nothing_is_left_to_do(db: sqlite3.Connection, lock_file: Path) -> None:
    migrate(db, lock_file)
    db.execute("INSERT INTO upload (id, state, created_at, touched_at) VALUES ('x', 'open', 0, 0)")
    assert migrate(db, lock_file) == []
    assert db.execute("SELECT count(*) FROM upload").fetchone() == (1,)


def test_file_of_the_first_version_keeps_its_uploads(
    db: sqlite3.Connection, lock_file: Path
) -> None:
    m001_uploads(Database(db))
    db.execute("INSERT INTO upload (id, state, created_at, touched_at) VALUES ('x', 'open', 0, 0)")
    Database(db).table("_sqlite_migrations").insert(
        {"migration_set": "tusd_py", "name": "m001_uploads", "applied_at": "2026-01-01"}
    )
    assert migrate(db, lock_file) == [
        "m002_address",
        "m003_outbox",
        "m004_verdicts",
        "m005_usage",
    ]
    assert db.execute("SELECT id, address FROM upload").fetchall() == [("x", None)]


def test_only_uploads_that_are_counted_by_address_are_indexed_by_it(
    db: sqlite3.Connection, lock_file: Path
) -> None:
    migrate(db, lock_file)
    plan = db.execute("EXPLAIN QUERY PLAN SELECT count(*) FROM upload WHERE address = 'x'")
    assert "upload_address" in str(plan.fetchall())
    (index,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'upload_address'").fetchone()
    assert "WHERE address IS NOT NULL" in index


def test_file_of_a_later_version_is_refused_with_a_remedy(
    db: sqlite3.Connection, lock_file: Path
) -> None:
    migrate(db, lock_file)
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('tusd_py', 'm999_from_the_future', '2099-01-01')"
    )
    with pytest.raises(DataDirectoryError, match=r"m999_from_the_future.*run that version"):
        migrate(db, lock_file)


def test_many_who_start_at_once_all_succeed(tmp_path: Path, lock_file: Path) -> None:
    connections = [connect(tmp_path) for _ in range(8)]
    applied: list[list[str]] = []
    together = threading.Barrier(len(connections))

    def start(connection: sqlite3.Connection) -> None:
        together.wait()
        applied.append(migrate(connection, lock_file))

    threads = [threading.Thread(target=start, args=(each,)) for each in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(applied) == len(connections)
    assert len([steps for steps in applied if steps]) == 1
    for connection in connections:
        connection.close()
