"""An id becomes a path below the data directory, and nothing else does."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.examples import upload_id
from tusd_py.protocol.upload import is_upload_id
from tusd_py.storage.layout import Layout

LAYOUT = Layout(Path("/srv/uploads-of-tests"))
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(IDS)
def test_file_is_in_the_shard_of_its_first_digits(upload: str) -> None:
    path = LAYOUT.file_of(upload)
    assert path == LAYOUT.uploads / upload[:2] / upload


@given(st.text() | st.lists(st.sampled_from(["..", "/", ".", "a", "%2e", "\0", "\\"])).map("".join))
def test_no_other_text_is_a_path(text: str) -> None:
    if is_upload_id(text):
        return
    with pytest.raises(ValueError, match="not an upload id"):
        LAYOUT.file_of(text)


@pytest.mark.parametrize("text", ["../" * 10 + "ab", "/etc/passwd", "a" * 31 + "/", "A" * 32, ""])
def test_ways_out_are_closed(text: str) -> None:
    with pytest.raises(ValueError, match="not an upload id"):
        LAYOUT.file_of(text)


@given(IDS)
def test_path_stays_below_the_uploads(upload: str) -> None:
    path = os.path.normpath(LAYOUT.file_of(upload))
    assert path.startswith(f"{LAYOUT.uploads}{os.sep}")


def test_shards_are_those_directories_that_could_hold_uploads(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for name in ("00", "ff", "a1", "AB", "abc", "x1", ".probe", "lost+found"):
        (layout.uploads / name).mkdir(parents=True)
    assert [path.name for path in layout.shards()] == ["00", "a1", "ff"]


def test_parts_of_the_directory_do_not_collide(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    paths = {layout.uploads, layout.state_file, layout.state_lock_file, layout.lock_file}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {tmp_path}
    assert layout.file_of(upload_id(1)) not in paths
