"""A lost state file is made anew of what can be read of it and of the data, and nothing is lost."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.repair.damage import (
    CONTENT,
    MARGIN,
    append,
    codes,
    contents,
    create,
    fill,
    garble,
    garble_index,
    look,
    mend,
    remove_state,
    server,
)
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.errors import ChecksumMismatch, UploadNotFound
from tusd_py.protocol.checksum import Checksum
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.layout import Layout
from tusd_py.storage.witness import ATTRIBUTE
from tusd_py.uploads.service import UploadService


def lose(how: str) -> Callable[[Layout], object]:
    return {
        "missing": remove_state,
        "empty": lambda layout: os.truncate(layout.state_file, 0),
        "diary": lambda layout: layout.state_file.write_bytes(b"no database at all" * 999),
        "first page": garble_first,
    }[how]


def garble_first(layout: Layout) -> None:
    with layout.state_file.open("r+b") as file:
        file.write(bytes(200))


@pytest.mark.parametrize("how", ["missing", "empty", "diary", "first page"])
async def test_state_is_made_anew_of_the_data(layout: Layout, how: str) -> None:
    uploads = await fill(layout)
    before = contents(layout)
    lose(how)(layout)
    report = await look(layout)
    assert codes(report) == [f"state_{how}" if how in ("missing", "empty") else "state_corrupt"]
    assert "60 uploads, 60 of them known" in report.findings[0].message
    assert (await mend(layout)).is_clean
    assert (await look(layout)).findings == []
    assert contents(layout) == before
    async with server(layout) as service:
        rebuilt = {upload.id: upload for upload in await service.list_uploads()}
        assert rebuilt.keys() == uploads.keys()
        for known in uploads.values():
            await go_on(service, known, rebuilt[known.id])
    assert set(contents(layout).values()) == {CONTENT[:3000]}


async def go_on(service: UploadService, known: Upload, rebuilt: Upload) -> None:
    """Make sure that an upload is its owner's alone, and bring it to its end."""
    same = (
        ("owner", "length", "metadata", "state", "expires_at")
        if known.is_finished
        else ("owner", "length", "metadata", "state")
    )
    assert all(getattr(rebuilt, name) == getattr(known, name) for name in same)
    assert abs(rebuilt.created_at - known.created_at) <= 1
    with pytest.raises(UploadNotFound):
        await service.inspect(known.id, "somebody else")
    current = await service.inspect(known.id, known.owner)
    assert current.offset == (3000 if known.is_finished else max(0, known.offset - MARGIN))
    if not known.is_finished:
        assert current.expires_at is not None
        assert (await append(service, current, 3000)).is_finished


async def test_rows_that_can_be_read_stay_as_they_were(layout: Layout) -> None:
    uploads = await fill(layout, 200)
    damaged = garble(layout)
    report = await mend(layout)
    assert report.is_clean
    assert codes(report)[0] == "state_corrupt"
    async with server(layout) as service:
        rebuilt = {upload.id: upload for upload in await service.list_uploads()}
    assert rebuilt.keys() == uploads.keys()
    assert 20 < sum(rebuilt[each] == uploads[each] for each in uploads) < 180
    assert all(rebuilt[each].owner == uploads[each].owner for each in uploads)
    (kept,) = layout.root.glob("state.sqlite3.damaged-*")
    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.state_file.stat().st_mode) == 0o600


async def test_what_only_the_log_holds_is_read_too(layout: Layout) -> None:
    """The server was killed, so its last commits are not in the state file yet."""
    async with server(layout) as service:
        upload = await create(service, 3000, 1500)
        copy_files(layout.root, layout.root.parent)
    copy_files(layout.root.parent, layout.root)
    (log,) = layout.root.glob("state.sqlite3-wal")
    commits = log.read_bytes()
    garble_index(layout)
    assert codes(await mend(layout)) == ["state_corrupt"]
    async with server(layout) as service:
        assert (await service.inspect(upload.id, "ann")).offset == 1500
    (kept,) = layout.root.glob("state.sqlite3.damaged-*-wal")
    assert kept.read_bytes() == commits


def copy_files(source: Path, target: Path) -> None:
    for file in source.glob("state.sqlite3*"):
        shutil.copy2(file, target)


async def test_owner_that_was_garbled_does_not_get_the_upload(layout: Layout) -> None:
    uploads = await fill(layout, 6)
    with closing(sqlite3.connect(layout.state_file)) as db, db:
        db.execute("UPDATE upload SET owner = 'eve'")
    garble_index(layout)
    report = await mend(layout)
    assert codes(report) == ["state_corrupt", *["witness_differs"] * 6]
    assert report.is_clean
    async with server(layout) as service:
        found = {upload.id: upload.owner for upload in await service.list_uploads()}
    assert found == {upload.id: upload.owner for upload in uploads.values()}


async def test_data_that_nobody_can_be_named_for_is_kept_from_everybody(layout: Layout) -> None:
    uploads = await fill(layout, 6)
    unknown, *_ = uploads
    os.removexattr(layout.file_of(unknown), ATTRIBUTE)
    content = layout.file_of(unknown).read_bytes()
    remove_state(layout)
    report = await mend(layout)
    (left,) = [finding for finding in report.findings if not finding.is_repaired]
    assert (left.code, left.subject) == ("data_without_upload", unknown)
    assert f"unowned/{unknown}" in left.remedy
    async with server(layout, orphan_grace=0.0) as service:
        with pytest.raises(UploadNotFound):
            await service.show(unknown)
        await service.sweep(dry_run=False)
    assert (layout.unowned / unknown).read_bytes() == content
    assert (await look(layout)).findings == []


async def test_sound_state_is_believed_about_what_it_does_not_know(layout: Layout) -> None:
    """Its data is of an upload that was being removed: that must not come back."""
    uploads = await fill(layout, 6)
    removed, *_ = uploads
    with closing(sqlite3.connect(layout.state_file)) as db, db:
        db.execute("DELETE FROM upload WHERE id = ?", (removed,))
    os.utime(layout.file_of(removed), (0, 0))
    report = await mend(layout)
    assert codes(report) == ["data_without_upload"]
    assert not report.is_clean
    assert layout.file_of(removed).exists()
    async with server(layout) as service:
        with pytest.raises(UploadNotFound):
            await service.show(removed)


async def test_finals_and_their_parts_come_back(layout: Layout) -> None:
    async with server(layout) as service:
        parts = [await create(service, 1000, 1000, concat="partial") for _ in range(2)]
        waiting = await create(service, 1000, concat="partial")
        names = [f"/files/{part.id}" for part in parts]
        joined = await create(service, None, concat=f"final;{' '.join(names)}")
        later = await create(service, None, concat=f"final;{names[0]} /files/{waiting.id}")
        assert (joined.is_finished, later.state) == (True, UploadState.CONCATENATING)
    remove_state(layout)
    assert (await mend(layout)).is_clean
    assert (await look(layout)).findings == []
    async with server(layout) as service:
        rebuilt = await service.show(joined.id)
        assert (rebuilt.is_finished, rebuilt.parts) == (True, joined.parts)
        assert rebuilt.concat == joined.concat
        await append(service, await service.inspect(waiting.id, "ann"), 1000)
        finished = await service.inspect(later.id, "ann")
        while not finished.is_finished:
            finished = await service.inspect(later.id, "ann")
    assert layout.file_of(later.id).read_bytes() == CONTENT[:1000] * 2


async def test_length_that_was_declared_later_is_known(layout: Layout) -> None:
    async with server(layout) as service:
        whole = await create(service, None, 1000)
        whole = await append(service, whole, 2000, length=2000)
        open_still = await create(service, None, 2000)
        assert whole.is_finished
    remove_state(layout)
    assert (await mend(layout)).is_clean
    async with server(layout) as service:
        assert (await service.show(whole.id)).is_finished
        rebuilt = await service.show(open_still.id)
        assert (rebuilt.length, rebuilt.offset) == (None, 2000 - MARGIN)


async def test_chunk_that_was_refused_does_not_count(layout: Layout) -> None:
    """It would make the upload whole, with bytes that did not survive the journey."""
    async with server(layout) as service:
        upload = await create(service, 2000, 1000)
        checksum = Checksum("sha1", bytes(20))
        payload = Payload(1000, checksum=checksum)
        with pytest.raises(ChecksumMismatch):
            await service.append(Append(upload.id, 1000, payload), "ann", ScriptedBody(bytes(1000)))
    remove_state(layout)
    assert (await mend(layout)).is_clean
    async with server(layout) as service:
        rebuilt = await service.inspect(upload.id, "ann")
        assert (rebuilt.state, rebuilt.offset) == (UploadState.OPEN, 0)


async def test_data_that_says_nothing_is_left_where_it_is(layout: Layout) -> None:
    """As on a file system without attributes: a backup may turn up yet."""
    uploads = await fill(layout, 6)
    for upload in uploads:
        os.removexattr(layout.file_of(upload), ATTRIBUTE)
    before = contents(layout)
    remove_state(layout)
    for report in (await look(layout), await mend(layout)):
        (finding,) = report.findings
        assert (finding.code, finding.can_repair) == ("state_missing", False)
        assert "restore it from a backup" in finding.remedy
    assert contents(layout) == before
    assert not layout.state_file.exists()
