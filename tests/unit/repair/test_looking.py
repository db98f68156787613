"""A data directory is looked at without changing it, and what is not ours is left alone."""

import sqlite3
from contextlib import closing

import pytest

from tests.contracts.examples import upload_id
from tests.unit.repair.damage import (
    append,
    codes,
    contents,
    create,
    fill,
    look,
    mend,
    remove_state,
    server,
    settings_of,
)
from tusd_py.errors import DataDirectoryError
from tusd_py.repair import Report, verify
from tusd_py.storage.layout import Layout


async def test_directory_of_a_server_that_stopped_is_clean(layout: Layout) -> None:
    uploads = await fill(layout)
    before = contents(layout)
    for report in (await look(layout), await mend(layout)):
        assert report.findings == []
        assert report.is_clean
        assert report.uploads == len(uploads)
        assert report.bytes == sum(map(len, before.values()))
    assert contents(layout) == before


async def test_directory_where_nothing_was_uploaded_is_clean(layout: Layout) -> None:
    async with server(layout):
        pass
    assert (await look(layout)).is_clean
    remove_state(layout)
    assert await look(layout) == Report()
    assert await mend(layout) == Report()
    assert not layout.state_file.exists()
    layout.state_file.touch()
    assert await mend(layout) == Report()


@pytest.mark.parametrize("repairs", [False, True])
async def test_directory_of_nobody_is_refused_and_not_made(layout: Layout, repairs: bool) -> None:
    with pytest.raises(DataDirectoryError, match="--data-dir"):
        await verify(settings_of(layout), repairs=repairs, on_progress=lambda _: None)
    assert not layout.root.exists()


async def test_running_server_is_looked_at_and_not_repaired(layout: Layout) -> None:
    async with server(layout) as service:
        upload = await create(service, 3000, 1500)
        assert (await look(layout)).is_clean
        with pytest.raises(DataDirectoryError, match=r"Another server.*Stop it first"):
            await mend(layout)
        assert (await append(service, upload, 3000)).is_finished
        assert (await look(layout)).is_clean


@pytest.mark.parametrize("repairs", [False, True])
async def test_missing_uploads_forget_nobody(layout: Layout, repairs: bool) -> None:
    await fill(layout, 5)
    layout.uploads.rename(layout.root / "elsewhere")
    report = await verify(settings_of(layout), repairs=repairs, on_progress=lambda _: None)
    assert codes(report) == ["no_data_at_all"]
    assert not report.is_clean
    (layout.root / "elsewhere").rename(layout.uploads)
    assert (await look(layout)).is_clean


async def test_later_versions_state_is_not_touched(layout: Layout) -> None:
    await fill(layout, 5)
    with closing(sqlite3.connect(layout.state_file)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('tusd_py', 'm999_to_come', 'tomorrow')"
        )
    before = layout.state_file.read_bytes()
    for report in (await look(layout), await mend(layout)):
        (finding,) = report.findings
        assert (finding.code, finding.can_repair) == ("state_too_new", False)
    assert layout.state_file.read_bytes() == before


async def test_what_is_counted_wrongly_is_counted_anew(layout: Layout) -> None:
    await fill(layout, 5)
    with closing(sqlite3.connect(layout.state_file)) as db, db:
        db.execute("UPDATE usage SET stored = stored + 1")
    (finding,) = (await look(layout)).findings
    assert (finding.code, finding.can_repair) == ("usage_miscounted", True)
    assert (await mend(layout)).is_clean
    assert (await look(layout)).findings == []


async def test_parts_of_nothing_are_forgotten(layout: Layout) -> None:
    await fill(layout, 5)
    with closing(sqlite3.connect(layout.state_file)) as db, db:
        db.execute("INSERT INTO part VALUES (?, 0, ?)", (upload_id(1), upload_id(2)))
    assert codes(await look(layout)) == ["parts_of_nothing"]
    assert (await mend(layout)).is_clean
    assert (await look(layout)).findings == []
