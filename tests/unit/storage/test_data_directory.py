"""A data directory is made once, for one server, and refused where its state is lost."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import DataDirectoryError
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import only_server, prepare_directories, refuse_lost_state
from tusd_py.storage.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "not" / "there" / "yet")


def store(layout: Layout, content: bytes) -> None:
    """Lay out the file of an upload."""
    file = layout.file_of(upload_id(1))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_directory_is_made_for_the_server_alone(layout: Layout) -> None:
    prepare_directories(layout)
    assert stat.S_IMODE(layout.root.stat().st_mode) & stat.S_IRWXO == 0
    assert stat.S_IMODE(layout.uploads.stat().st_mode) == 0o700
    assert stat.S_IMODE(layout.lock_file.stat().st_mode) == 0o600


def test_making_it_twice_changes_nothing(layout: Layout) -> None:
    prepare_directories(layout)
    store(layout, b"content")
    prepare_directories(layout)
    assert layout.file_of(upload_id(1)).read_bytes() == b"content"


def test_new_directory_is_flushed_with_its_name(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(syscalls, "flush_directory", flushed.append)
    prepare_directories(layout)
    assert {layout.root, layout.root.resolve().parent} <= set(flushed)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_directory_that_cannot_be_made_is_refused_with_a_remedy(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataDirectoryError, match="--data-dir") as refusal:
        prepare_directories(layout)
    assert os.strerror(code) in refusal.value.message


def test_file_in_its_place_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(DataDirectoryError, match="--data-dir"):
        prepare_directories(Layout(tmp_path / "data"))


def test_second_server_is_refused_until_the_first_is_gone(layout: Layout) -> None:
    prepare_directories(layout)
    with only_server(layout):
        refused = pytest.raises(DataDirectoryError, match="Another server uses the data directory")
        with refused, only_server(layout):
            raise AssertionError("two servers share one directory")
    with only_server(layout):
        pass


# --- lost state ---


def test_empty_directory_has_lost_nothing(layout: Layout) -> None:
    prepare_directories(layout)
    refuse_lost_state(layout)


@pytest.mark.parametrize("state", [None, b""], ids=["missing", "empty"])
def test_uploads_without_their_state_are_refused_again_and_again(
    layout: Layout, state: bytes | None
) -> None:
    prepare_directories(layout)
    store(layout, b"content")
    if state is not None:
        layout.state_file.write_bytes(state)
    for _ in range(2):
        with pytest.raises(DataDirectoryError, match=r"holds 1 uploads.*backup"):
            refuse_lost_state(layout)
    assert layout.file_of(upload_id(1)).read_bytes() == b"content"


def test_empty_data_of_creations_that_were_never_answered_is_no_loss(layout: Layout) -> None:
    prepare_directories(layout)
    store(layout, b"")
    refuse_lost_state(layout)


def test_uploads_with_their_state_are_welcome(layout: Layout) -> None:
    prepare_directories(layout)
    store(layout, b"content")
    layout.state_file.write_bytes(b"state")
    refuse_lost_state(layout)
