"""What a file system can do is tried, and the trial leaves nothing."""

import errno
import os
from pathlib import Path

import pytest

from tusd_py.errors import DataDirectoryError
from tusd_py.storage import probe as probing
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout
from tusd_py.storage.probe import probe


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data")
    prepare_directories(made)
    return made


def test_trial_leaves_nothing_behind(layout: Layout) -> None:
    abilities = probe(layout)
    assert abilities == probe(layout)
    assert list(layout.uploads.iterdir()) == []


def test_reservation_is_tried(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "reserve", lambda fd, length: False)
    assert probe(layout).reserves is False


def test_full_disk_is_no_inability(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError

    monkeypatch.setattr(syscalls, "reserve", full)
    monkeypatch.setattr(os, "pwrite", full)
    abilities = probe(layout)
    assert abilities.reserves is True
    assert abilities.direct is False
    assert list(layout.uploads.iterdir()) == []


def test_file_system_is_that_of_the_longest_mount_above(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"disk / ext4 rw 0 0\ntmp {tmp_path} xfs rw 0 0\nother {tmp_path}/da btrfs rw 0 0\n"
    )
    monkeypatch.setattr(probing, "_MOUNTS", mounts)
    assert probe(layout).file_system == "xfs"


def test_system_that_does_not_tell_its_mounts_is_unknown(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probing, "_MOUNTS", tmp_path / "missing")
    assert probe(layout).file_system == ""


def test_directory_where_no_file_can_be_made_is_refused_with_a_remedy(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(DataDirectoryError, match="writable"):
            probe(layout)
