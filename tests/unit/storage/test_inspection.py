"""Every file is looked at closely, and only what is not an upload's bytes is mended."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.attributes import require_attributes
from tests.contracts.examples import an_upload, upload_id
from tusd_py.storage import inspection as inspecting
from tusd_py.storage import syscalls
from tusd_py.storage.data_store import Fault
from tusd_py.storage.inspection import LocalInspection
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore

A = upload_id(0xA)


@pytest.fixture
def inspection(layout: Layout) -> LocalInspection:
    return LocalInspection(layout)


async def keep(store: LocalStore, number: int, content: bytes) -> Path:
    upload = an_upload(number, owner="ann")
    await store.allocate(upload.id, 100, witness=upload)
    async with store.open(upload.id) as data:
        await data.write(0, memoryview(content))
    return store.file_of(upload.id)


def codes(faults: list[Fault] | tuple[Fault, ...]) -> list[str]:
    return [fault.code for fault in faults]


async def test_sound_directory_has_no_faults(store: LocalStore, layout: Layout) -> None:
    require_attributes(layout.root)
    file = await keep(store, 0xA, b"content")
    inspection = LocalInspection(layout)
    assert await inspection.faults() == []
    (evidence,) = await inspection.look("00")
    assert evidence == await inspection.look_again(A)
    assert (evidence.upload_id, evidence.size, evidence.faults) == (A, 7, ())
    assert evidence.modified_at == file.stat().st_mtime
    assert evidence.witness is not None
    assert evidence.witness.owner == "ann"


async def test_what_is_not_there_is_not_seen(inspection: LocalInspection, layout: Layout) -> None:
    assert await inspection.look("7f") == []
    assert await inspection.look_again(A) is None
    shard = layout.uploads / "00"
    shard.mkdir()
    for name in ("README", A + ".bak", "ff" + A[2:]):
        (shard / name).touch()
    assert await inspection.look("00") == []


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o400, 0o000])
async def test_modes_are_made_right(
    store: LocalStore, inspection: LocalInspection, mode: int
) -> None:
    file = await keep(store, 0xA, b"content")
    file.chmod(mode)
    (evidence,) = await inspection.look("00")
    assert evidence.size == 7
    (fault,) = evidence.faults
    assert (fault.code, fault.file) == ("file_mode", f"uploads/00/{A}")
    assert f"{mode:04o}" in fault.message
    assert await inspection.mend(fault)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == b"content"


async def test_mode_of_a_published_file_is_for_those_who_read_it(
    store: LocalStore, inspection: LocalInspection, tmp_path: Path
) -> None:
    file = await keep(store, 0xA, b"content")
    file.chmod(0o640)
    (tmp_path / "published").hardlink_to(file)
    (evidence,) = await inspection.look("00")
    assert evidence.faults == ()


async def test_directories_and_state_files_are_for_the_server_alone(
    store: LocalStore, layout: Layout, inspection: LocalInspection
) -> None:
    await keep(store, 0xA, b"content")
    (layout.uploads / "00").chmod(0o755)
    state = layout.state_file.with_name("state.sqlite3-wal")
    state.touch()
    state.chmod(0o640)
    faults = await inspection.faults()
    assert {(fault.code, fault.file) for fault in faults} == {
        ("file_mode", "uploads/00"),
        ("file_mode", "state.sqlite3-wal"),
    }
    assert [await inspection.mend(fault) for fault in faults] == [True, True]
    assert await inspection.faults() == []
    assert stat.S_IMODE((layout.uploads / "00").stat().st_mode) == 0o700


async def test_foreign_owner_is_told_and_mended_by_root_alone(
    store: LocalStore, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(store, 0xA, b"content")
    inspection = LocalInspection(layout)
    inspection._owner = (4242, 4242)
    (evidence,) = await inspection.look("00")
    (fault,) = evidence.faults
    assert fault.code == "file_owner"
    assert "4242:4242" in fault.message

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", refuse)
        assert not await inspection.mend(fault)
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "chown", lambda *args, **_: given.append(args))
    assert await inspection.mend(fault)
    assert given == [(store.file_of(A), 4242, 4242)]


async def test_what_root_makes_is_given_to_the_server(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, ...]] = []
    inspection = LocalInspection(layout)
    monkeypatch.setattr(os, "chown", lambda *args: given.append(args))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    inspection.own(layout.lock_file)
    assert given == []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    inspection.own(layout.lock_file)
    assert given == [(layout.lock_file, *inspection._owner)]


async def test_what_is_no_file_is_told_and_left(
    layout: Layout, inspection: LocalInspection
) -> None:
    (layout.uploads / "00" / A).mkdir(parents=True)
    (layout.uploads / "0f").touch()
    (layout.uploads / "00").chmod(0o700)
    assert codes(await inspection.faults()) == ["not_a_directory"]
    (evidence,) = await inspection.look("00")
    assert (evidence.size, codes(evidence.faults)) == (None, ["not_a_file"])
    assert not any(fault.can_mend for fault in evidence.faults)
    assert await inspection.look("0f") == []


async def test_link_is_not_followed(layout: Layout, inspection: LocalInspection) -> None:
    secret = layout.root.parent / "secret"
    secret.write_text("of somebody else")
    (layout.uploads / "00").mkdir()
    (layout.uploads / "00" / A).symlink_to(secret)
    (evidence,) = await inspection.look("00")
    assert (evidence.size, codes(evidence.faults)) == (None, ["not_a_file"])


async def test_file_that_the_disk_does_not_give_is_no_empty_one(
    store: LocalStore, inspection: LocalInspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(store, 0xA, b"content")

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(inspecting, "read_witness", fail)
    (evidence,) = await inspection.look("00")
    assert evidence.size is None
    assert codes(evidence.faults) == ["file_unreadable"]


async def test_leftover_of_a_start_is_removed_but_no_start_under_way(
    layout: Layout, inspection: LocalInspection
) -> None:
    old, new = layout.uploads / ".probe-old", layout.uploads / ".probe-new"
    for probe in (old, new):
        probe.touch()
    os.utime(old, (0, 0))
    (fault,) = await inspection.faults()
    assert (fault.code, fault.file) == ("probe_left", "uploads/.probe-old")
    assert await inspection.mend(fault)
    assert not old.exists()
    assert new.exists()


async def test_data_is_put_aside_durably(
    store: LocalStore, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await keep(store, 0xA, b"content")
    flushed: list[Path] = []
    monkeypatch.setattr(syscalls, "flush_directory", flushed.append)
    inspection = LocalInspection(layout)
    place = layout.root / await inspection.put_aside(A)
    assert not file.exists()
    assert place.read_bytes() == b"content"
    assert place == layout.unowned / A
    assert set(flushed) == {layout.root, layout.unowned, file.parent}
    assert [each async for each in store.stored()] == []
