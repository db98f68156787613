"""Who has how much is what a recount finds, whatever happened to the uploads."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from tests.contracts.examples import LATER, THEN, WEEK, a_final, a_part, an_advance, upload_id
from tests.unit.state.damage import make
from tusd_py.errors import Displaced
from tusd_py.protocol.limits import Kind, Usage
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.migrations import migrations
from tusd_py.state.opening import open_sqlite
from tusd_py.state.salvage import count_wrong_usage, recount_usage
from tusd_py.state.state_store import StateStore

NUMBERS = st.integers(1, 6)


def upload_of(number: int, kind: int) -> Upload:
    """Return one of several kinds of uploads, with that number."""
    some = a_part(number, owner="ab"[number % 2], address=[None, "x", "y"][kind % 3], offset=5)
    state = list(UploadState)[kind % len(UploadState)]
    return replace(
        some,
        state=state,
        length=None if kind % 5 == 0 and state is UploadState.OPEN else 10,
        concat="partial" if kind % 2 else None,
    )


async def act(store: StateStore, verb: str, number: int, other: int) -> None:
    """Do something to the upload of that number, or something else by way of *other*."""
    name = upload_id(number)
    found = await store.find(name)
    match verb:
        case "create" if found is None:
            await store.create(upload_of(number, other))
        case "join" if found is None:
            changes: dict[str, Any] = {"owner": "a", "length": [None, 20][other % 2]}
            await store.create(a_final(number, other, (other % 6) + 1, **changes))
        case "finish_final":
            await store.finish_final(name, 20 + other, LATER, checks=other % 2 == 0)
        case "finish":
            await store.finish(name, LATER, moved=other % 2 == 0)
        case "reject":
            await store.reject(name, "no", LATER)
        case "expire":
            await store.expire(name, THEN + WEEK)
        case "remove":
            await store.remove(name)
        case "rewind":
            await store.rewind(name, other)
        case "forget":
            await store.forget_tombstones(THEN + 2 * WEEK)
        case "advance" if found is not None:
            change = an_advance(
                number,
                from_offset=found.offset,
                to_offset=found.offset + other,
                length=found.length or [None, 20][other % 2],
                checks=other % 3 == 0,
            )
            if (change.length or 100) >= change.to_offset:
                try:
                    await store.advance(change)
                except Displaced:
                    return


VERBS = ["create", "join", "finish_final", "finish", "reject", "expire"]
VERBS += ["remove", "rewind", "forget", "advance"]
#: What the other verbs need comes more often.
STEPS = st.sampled_from([*VERBS, "create", "create", "join", "advance"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STEPS, NUMBERS, NUMBERS), max_size=40))
def test_counts_stay_right_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    async def run(path: Path) -> list[Usage]:
        store = await open_sqlite(path, strict=False)
        try:
            for step in steps:
                await act(store, *step)
                assert count_wrong_usage(path) == 0, step
            for number in range(1, 7):
                await store.remove(upload_id(number))
            return await store.usage(Kind.OWNER) + await store.usage(Kind.ADDRESS)
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as directory:
        assert asyncio.run(run(Path(directory) / "state.sqlite3")) == []


async def test_wrong_counts_are_found_and_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    await make(path, a_part(1, address="x"), a_part(2, owner="b"), a_final(3, 1, length=10))
    with closing(sqlite3.connect(path)) as db:
        right = db.execute("SELECT * FROM usage").fetchall()
    assert right == [("owner", "", 1, 10), ("owner", "b", 0, 10)]
    assert count_wrong_usage(path) == 0
    for damage, wrong in (
        ("UPDATE usage SET stored = stored + 1 WHERE kind = 'owner' AND name = 'b'", 2),
        ("DELETE FROM usage WHERE name = 'b'", 1),
        ("INSERT INTO usage VALUES ('address', 'nobody', 1, 1)", 1),
    ):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(damage)
        assert count_wrong_usage(path) == wrong
        recount_usage(path)
        assert count_wrong_usage(path) == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT * FROM usage").fetchall() == right


def test_uploads_of_an_earlier_version_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        db = Database(connection)
        migrations.apply(db, stop_before="m005_usage")
        connection.executemany(
            "INSERT INTO upload (id, owner, length, concat, state, created_at, touched_at, address)"
            " VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
            [
                ("1", "ann", 10, "partial", "finished", None),
                ("2", "ann", 10, "final;1", "finished", None),
                ("3", "ann", 7, None, "open", "x"),
                ("4", "bob", 7, None, "expired", None),
            ],
        )
        connection.execute("INSERT INTO part VALUES ('2', 0, '1')")
        migrations.apply(db)
        rows = connection.execute("SELECT * FROM usage ORDER BY kind, name").fetchall()
    assert rows == [("address", "x", 1, 7), ("owner", "ann", 1, 17)]
    assert count_wrong_usage(path) == 0


@pytest.mark.parametrize("owner", ["ann", "bob"])
async def test_upload_that_becomes_anothers_counts_there(tmp_path: Path, owner: str) -> None:
    path = tmp_path / "state.sqlite3"
    await make(path, a_part(1, owner="ann", address="x"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "UPDATE upload SET owner = ?, address = 'y', state = 'open', length = 12", (owner,)
        )
        rows = db.execute("SELECT * FROM usage ORDER BY kind, name").fetchall()
    assert rows == [("address", "y", 1, 12), ("owner", owner, 1, 12)]
