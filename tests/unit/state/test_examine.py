"""A state file is examined to the last page, and only what is sound is opened."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.examples import an_upload, upload_id
from tests.unit.state.damage import INDEX, TABLE, TABLE_INNER, UPLOADS, garble, pages
from tusd_py.errors import DataDirectoryError, StateError
from tusd_py.state import salvage as salvaging
from tusd_py.state.opening import open_sqlite
from tusd_py.state.salvage import (
    examine,
    open_to_read,
)


def test_sound_file_is_found_sound_and_not_changed(state_file: Path) -> None:
    before = state_file.read_bytes()
    assert examine(state_file) is None
    assert state_file.read_bytes() == before


def test_missing_and_empty_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    fault = examine(path)
    assert fault is not None
    assert (fault.code, fault.is_lost) == ("state_missing", True)
    assert not path.exists()
    path.touch()
    fault = examine(path)
    assert fault is not None
    assert (fault.code, fault.is_lost) == ("state_empty", True)
    assert path.stat().st_size == 0


@pytest.mark.parametrize("kind", [TABLE, TABLE_INNER, INDEX])
def test_damage_to_any_kind_of_page_is_found(state_file: Path, kind: int) -> None:
    garble(state_file, pages(state_file, kind)[-1])
    fault = examine(state_file)
    assert fault is not None
    assert (fault.code, fault.is_lost) == ("state_corrupt", True)


def test_file_that_was_cut_off_is_damaged(state_file: Path) -> None:
    os.truncate(state_file, state_file.stat().st_size // 2)
    fault = examine(state_file)
    assert fault is not None
    assert fault.code == "state_corrupt"


@pytest.mark.parametrize("content", [b"this is somebody's diary" * 500, bytes(50_000)])
def test_what_is_no_database_is_damaged(state_file: Path, content: bytes) -> None:
    state_file.write_bytes(content)
    fault = examine(state_file)
    assert fault is not None
    assert fault.code == "state_corrupt"
    assert state_file.read_bytes() == content


def test_state_file_of_a_first_start_that_was_cut_short_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    fault = examine(path)
    assert fault is not None
    assert (fault.code, fault.has_nothing) == ("state_empty", True)


def test_somebody_elses_database_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE diary (day TEXT)")
    fault = examine(path)
    assert fault is not None
    assert fault.code == "state_unknown"


def test_later_versions_file_is_whole_and_must_not_be_rebuilt(state_file: Path) -> None:
    with closing(sqlite3.connect(state_file)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('tusd_py', 'm999_to_come', 'tomorrow')"
        )
    fault = examine(state_file)
    assert fault is not None
    assert (fault.code, fault.is_lost) == ("state_too_new", False)
    assert "m999_to_come" in fault.message


def test_earlier_versions_file_is_sound_and_has_to_be_migrated_first(state_file: Path) -> None:
    with closing(sqlite3.connect(state_file)) as db, db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm002_address'")
    assert examine(state_file) is None
    with pytest.raises(DataDirectoryError, match=r"step m002_address.*start the server"):
        open_to_read(state_file)


def test_file_that_somebody_has_locked_cannot_be_looked_at(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvaging, "_BUSY_TIMEOUT", 0.1)
    with closing(sqlite3.connect(state_file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        for look in (examine, open_to_read):
            with pytest.raises(DataDirectoryError, match="locked"):
                look(state_file)
    assert examine(state_file) is None


async def test_what_a_server_has_not_folded_in_yet_is_seen(state_file: Path) -> None:
    server = await open_sqlite(state_file, strict=True)
    await server.create(an_upload(9999))
    assert examine(state_file) is None
    beside = open_to_read(state_file)
    assert await beside.find(upload_id(9999)) == an_upload(9999)
    assert len(await beside.named("")) == len(UPLOADS) + 1
    with pytest.raises(StateError):
        await beside.remove(upload_id(9999))
    await beside.close()
    await server.create(an_upload(9998))
    await server.close()
