"""An upload's id has one spelling, and its kind and state follow from what it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusd_py.protocol.upload import Upload, UploadState, is_upload_id

ID = "0123456789abcdef" * 2


@given(st.binary(min_size=16, max_size=16))
def test_every_128_bit_number_is_an_id(number: bytes) -> None:
    assert is_upload_id(number.hex())


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID[1:],
        ID + "0",
        ID.upper(),
        ID + "\n",
        "\n" + ID[1:],
        ID[:-1] + "g",
        ID[:-1] + "\0",
        ID[:-1] + "٣",  # a digit of another script
        "../" + ID[3:],
        "." * 32,
        "%61" + ID[3:],
    ],
)
def test_nothing_else_is(text: str) -> None:
    assert not is_upload_id(text)


@pytest.mark.parametrize(
    ("concat", "partial", "final"),
    [(None, False, False), ("partial", True, False), (f"final;/files/{ID}", False, True)],
)
def test_kind_follows_from_upload_concat(concat: str | None, partial: bool, final: bool) -> None:
    upload = Upload(ID, concat=concat)
    assert (upload.is_partial, upload.is_final) == (partial, final)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (UploadState.OPEN, {"has_data"}),
        (UploadState.CONCATENATING, {"has_data"}),
        (UploadState.CHECKING, {"has_data", "is_complete"}),
        (UploadState.FINISHED, {"has_data", "is_complete", "is_finished"}),
        (UploadState.MOVED, {"is_complete", "is_finished"}),
        (UploadState.EXPIRED, {"is_tombstone"}),
        (UploadState.REJECTED, {"is_tombstone"}),
    ],
)
def test_state_says_what_is_there(state: UploadState, said: set[str]) -> None:
    upload = Upload(ID, state=state)
    names = ("has_data", "is_complete", "is_finished", "is_tombstone")
    assert {name for name in names if getattr(upload, name)} == said


@pytest.mark.parametrize(
    ("expires_at", "state", "expired"),
    [
        (None, UploadState.OPEN, False),
        (100.1, UploadState.OPEN, False),
        (100.0, UploadState.OPEN, True),
        (99.0, UploadState.FINISHED, True),
        (None, UploadState.EXPIRED, True),
        (200.0, UploadState.EXPIRED, True),
    ],
)
def test_upload_expires_on_time_whether_or_not_it_was_swept(
    expires_at: float | None, state: UploadState, expired: bool
) -> None:
    assert Upload(ID, expires_at=expires_at, state=state).has_expired(100.0) is expired
