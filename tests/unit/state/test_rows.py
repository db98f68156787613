"""An upload survives being a row."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.examples import THEN
from tusd_py.protocol.upload import MAX_LENGTH, Upload, UploadState
from tusd_py.state.rows import COLUMNS, to_milliseconds, to_row, to_seconds, to_upload

IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
LENGTHS = st.integers(0, MAX_LENGTH)
TIMES = st.integers(0, 2**43).map(lambda milliseconds: milliseconds / 1000)
UPLOADS = st.builds(
    Upload,
    id=IDS,
    owner=st.text(),
    length=st.none() | LENGTHS,
    offset=LENGTHS,
    metadata=st.none() | st.text(),
    concat=st.none() | st.text(),
    parts=st.lists(IDS, max_size=4).map(tuple),
    state=st.sampled_from(UploadState),
    created_at=TIMES,
    touched_at=TIMES,
    expires_at=st.none() | TIMES,
    finished_at=st.none() | TIMES,
    epoch=st.integers(0, MAX_LENGTH),
    address=st.none() | st.text(),
)


@given(UPLOADS)
def test_upload_is_read_from_the_row_it_was_written_to(upload: Upload) -> None:
    row = to_row(upload)
    assert len(row) == len(COLUMNS.split(","))
    assert to_upload(row, upload.parts) == upload


@pytest.mark.parametrize(
    ("seconds", "kept"), [(THEN + 0.0004, THEN), (THEN + 0.0006, THEN + 0.001), (None, None)]
)
def test_times_are_kept_to_the_millisecond(seconds: float | None, kept: float | None) -> None:
    assert to_seconds(to_milliseconds(seconds)) == kept


def test_upload_without_parts_has_none() -> None:
    upload = Upload("a" * 32, concat="final;x", parts=("b" * 32,))
    assert to_upload(to_row(upload)) == replace(upload, parts=())
