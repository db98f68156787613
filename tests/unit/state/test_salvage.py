"""What can be read of a damaged state file is read, and nothing that makes no sense."""

import asyncio
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, a_final, a_part, an_upload, upload_id
from tests.unit.state.damage import (
    INDEX,
    PAGE,
    TABLE,
    TABLE_INNER,
    UPLOADS,
    garble,
    make,
    names,
    pages,
)
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.opening import open_sqlite
from tusd_py.state.salvage import (
    count_dangling_parts,
    examine,
    fold_in_log,
    open_to_read,
    remove_dangling_parts,
    salvage,
)


def salvaged(path: Path, directory: Path) -> dict[str, Upload]:
    """Return what is read of a damaged file, from the new one it was written to."""
    fresh = directory / "fresh.sqlite3"
    asyncio.run(make(fresh))
    count = salvage(path, fresh)

    async def read() -> list[Upload]:
        store = open_to_read(fresh)
        found = await store.named("")
        await store.close()
        return found

    assert examine(fresh) is None
    uploads = {upload.id: upload for upload in asyncio.run(read())}
    assert len(uploads) == count
    return uploads


# --- parts ---


async def test_parts_of_nothing_are_counted_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    await make(path, a_part(1), a_final(2, 1, 1), a_final(3, 1))
    assert count_dangling_parts(path) == 0
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM upload WHERE id = ?", (upload_id(2),))
    assert count_dangling_parts(path) == 2
    remove_dangling_parts(path)
    assert count_dangling_parts(path) == 0
    store = open_to_read(path)
    assert await store.find(upload_id(3)) == a_final(3, 1)
    await store.close()


# --- salvage ---


def can_read_last(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        try:
            return bool(db.execute("SELECT * FROM upload ORDER BY rowid DESC LIMIT 1").fetchall())
        except sqlite3.DatabaseError:
            return False


def test_sound_file_is_copied_whole(state_file: Path, tmp_path: Path) -> None:
    assert list(salvaged(state_file, tmp_path).values()) == UPLOADS


def test_damaged_page_costs_its_own_rows_alone(state_file: Path, tmp_path: Path) -> None:
    leaves = pages(state_file, TABLE)
    garble(state_file, leaves[len(leaves) // 2])
    found = salvaged(state_file, tmp_path)
    assert len(UPLOADS) - 40 <= len(found) < len(UPLOADS)
    assert all(found[upload.id] == upload for upload in UPLOADS if upload.id in found)


def test_damage_here_and_there_costs_no_more_than_it_must(state_file: Path, tmp_path: Path) -> None:
    leaves = pages(state_file, TABLE)
    garble(state_file, *leaves[::10])
    found = salvaged(state_file, tmp_path)
    assert len(found) > len(UPLOADS) * 0.8


def test_damage_at_the_end_does_not_hide_where_the_end_is(state_file: Path, tmp_path: Path) -> None:
    before = state_file.read_bytes()
    for leaf in pages(state_file, TABLE):
        garble(state_file, leaf)
        if not can_read_last(state_file):
            break
        state_file.write_bytes(before)
    found = salvaged(state_file, tmp_path)
    assert len(UPLOADS) - 40 <= len(found) < len(UPLOADS)


def test_damaged_indexes_cost_nothing(state_file: Path, tmp_path: Path) -> None:
    garble(state_file, *pages(state_file, INDEX))
    assert list(salvaged(state_file, tmp_path).values()) == UPLOADS


def test_damaged_inner_page_is_over_soon(state_file: Path, tmp_path: Path) -> None:
    garble(state_file, *pages(state_file, TABLE_INNER))
    begun = time.monotonic()
    salvaged(state_file, tmp_path)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: garble(path, 0),
        lambda path: garble(path, 0, at=100),
        lambda path: path.write_bytes(b"a diary" * 9999),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 1000),
    ],
    ids=["first page", "schema", "diary", "empty", "missing", "cut off"],
)
def test_nothing_is_read_of_what_is_lost(
    state_file: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(state_file)
    assert salvaged(state_file, tmp_path) == {}


def test_bytes_that_change_anywhere_never_end_the_reading(state_file: Path, tmp_path: Path) -> None:
    """Whatever comes out makes sense, for some upload."""
    before, dice = state_file.read_bytes(), random.Random(4)
    for attempt in range(15):
        content = bytearray(before)
        for _ in range(200):
            content[dice.randrange(PAGE, len(content))] = dice.randrange(256)
        state_file.write_bytes(content)
        (directory := tmp_path / str(attempt)).mkdir()
        for upload in salvaged(state_file, directory).values():
            assert upload.length is None or upload.offset <= upload.length


@pytest.mark.parametrize(
    "change",
    [
        "id = 'no id'",
        "id = 7",
        "owner = CAST(x'ff' AS TEXT)",
        "state = 'opne'",
        "length = 'long'",
        "length = -1",
        "length = 1",
        '"offset" = -1',
        '"offset" = 101',
        "created_at = 'then'",
        "state = 'finished'",
        "concat = 'fnal;x'",
        "concat = 7",
        "metadata = x'00ff'",
        "epoch = 'x'",
    ],
)
async def test_rows_that_no_server_wrote_are_left_out(tmp_path: Path, change: str) -> None:
    path, fresh = tmp_path / "state.sqlite3", tmp_path / "fresh.sqlite3"
    await make(path, an_upload(1, offset=50), an_upload(2))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE upload SET {change} WHERE id = ?", (upload_id(1),))  # noqa: S608 - ours
    await make(fresh)
    assert await asyncio.to_thread(salvage, path, fresh) == 1
    store = open_to_read(fresh)
    assert await store.named("") == [an_upload(2)]
    await store.close()


async def test_states_and_parts_are_kept(tmp_path: Path) -> None:
    """Parts come from the final upload itself, whatever became of their table."""
    path, fresh = tmp_path / "state.sqlite3", tmp_path / "fresh.sqlite3"
    uploads = [
        an_upload(1, state=UploadState.EXPIRED),
        a_part(2),
        a_final(3, 2, 2),
        a_final(4, 2, state=UploadState.FINISHED, length=10, offset=10, finished_at=THEN),
        an_upload(5, length=None, expires_at=None, epoch=2**60, address="::1"),
    ]
    await make(path, *uploads)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM part")
    await make(fresh)
    await asyncio.to_thread(salvage, path, fresh)
    store = open_to_read(fresh)
    assert await store.named("") == uploads
    await store.close()


async def test_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path, fresh = tmp_path / "state.sqlite3", tmp_path / "fresh.sqlite3"
    await make(path, an_upload(1))
    with closing(sqlite3.connect(path)) as db, db:
        # Whose text SQLite holds against the columns that are left.
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in triggers:
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DROP INDEX upload_address")
        db.execute("ALTER TABLE upload DROP COLUMN address")
    await make(fresh)
    assert await asyncio.to_thread(salvage, path, fresh) == 1


@pytest.mark.parametrize("trigger", ["usage_of_new", "part_of_final"])
def test_damaged_schema_costs_no_upload(state_file: Path, tmp_path: Path, trigger: str) -> None:
    content = bytearray(state_file.read_bytes())
    at = content.index(f"CREATE TRIGGER {trigger}".encode())
    content[at + 40 : at + 60] = b"\xc0(" * 10
    state_file.write_bytes(content)
    assert list(salvaged(state_file, tmp_path).values()) == UPLOADS
    fault = examine(state_file)
    assert fault is not None
    assert (fault.code, fault.is_lost) == ("state_corrupt", True)


async def test_log_is_folded_in_where_that_can_be_done(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    server = await open_sqlite(path, strict=True)
    await server.create(an_upload(1))
    alone = Path(shutil.copy2(path, tmp_path / "alone.sqlite3"))
    shutil.copy2(f"{path}-wal", f"{alone}-wal")
    await server.close()
    await asyncio.to_thread(fold_in_log, alone)
    assert names(tmp_path, "alone*") == ["alone.sqlite3"]
    store = open_to_read(alone)
    assert await store.find(upload_id(1)) == an_upload(1)
    await store.close()


def test_log_of_what_is_no_database_is_not_folded_in(state_file: Path) -> None:
    state_file.write_bytes(b"a diary" * 999)
    fold_in_log(state_file)
    assert state_file.read_bytes() == b"a diary" * 999
