"""What a request may do, given the upload as it stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.examples import a_final, a_part, an_upload, upload_id
from tusd_py.errors import (
    FinalUploadImmutable,
    InvalidHeader,
    InvalidPart,
    OffsetMismatch,
    PartUnfinished,
    ProtocolError,
    UploadGone,
    UploadTooLarge,
)
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.rules import (
    Chunk,
    check_living,
    check_size,
    decide_append,
    decide_create,
    decide_final,
    first_chunk,
    past_the_end,
    total_length,
)
from tusd_py.protocol.upload import MAX_LENGTH, Upload, UploadState

ANY = Policy()
AT_MOST_50 = Policy(max_size=50)
FINISHED_ONLY = ANY.without(Extension.CONCATENATION_UNFINISHED)
ID = upload_id(1)

# --- creation ---


@pytest.mark.parametrize(
    ("request_", "policy", "fits"),
    [
        (Create(50), AT_MOST_50, True),
        (Create(51), AT_MOST_50, False),
        (Create(None), AT_MOST_50, True),
        (Create(MAX_LENGTH), ANY, True),
        (Create(50, payload=Payload(50)), AT_MOST_50, True),
        (Create(10, payload=Payload(11)), ANY, False),
        (Create(10, payload=Payload(None)), ANY, True),
        (Create(None, payload=Payload(50)), AT_MOST_50, True),
        (Create(None, payload=Payload(51)), AT_MOST_50, False),
        (Create(None, payload=Payload(51)), ANY, True),
        (Create(0, payload=Payload(0)), ANY, True),
    ],
)
def test_upload_that_could_never_fit_is_not_created(
    request_: Create, policy: Policy, fits: bool
) -> None:
    if fits:
        decide_create(request_, policy)
        return
    with pytest.raises(UploadTooLarge) as refusal:
        decide_create(request_, policy)
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    ("length", "policy", "limit"),
    [(10, ANY, 10), (10, AT_MOST_50, 10), (None, AT_MOST_50, 50), (None, ANY, MAX_LENGTH)],
)
def test_first_chunk_begins_at_zero_and_ends_where_the_upload_must(
    length: int | None, policy: Policy, limit: int
) -> None:
    payload = Payload(5)
    upload = an_upload(1, length=length)
    assert first_chunk(upload, payload, policy) == Chunk(0, limit, length, payload)


# --- final uploads ---


@pytest.mark.parametrize(
    ("parts", "policy", "length"),
    [
        ([a_part(1)], ANY, 10),
        ([a_part(1), a_part(2, length=7), a_part(3, length=0, offset=0)], ANY, 17),
        ([a_part(1, state=UploadState.OPEN, offset=3), a_part(2)], ANY, 20),
        ([a_part(1, state=UploadState.OPEN, length=None), a_part(2)], ANY, None),
        ([a_part(1), a_part(1)], Policy(repeated_parts=True), 20),
        ([a_part(1, length=25), a_part(2, length=25)], AT_MOST_50, 50),
    ],
)
def test_final_is_as_long_as_its_parts(
    parts: list[Upload], policy: Policy, length: int | None
) -> None:
    assert decide_final(parts, "", policy) == length


@pytest.mark.parametrize(
    ("parts", "policy", "error", "complaint"),
    [
        ([a_part(1), None], ANY, InvalidPart, "part 2 does not exist"),
        ([a_part(1, owner="eve")], ANY, InvalidPart, "part 1 does not exist"),
        ([an_upload(1)], ANY, InvalidPart, "part 1 is not a partial"),
        ([a_part(2), a_final(3, 2)], ANY, InvalidPart, "part 2 is not a partial"),
        ([a_part(1), a_part(2), a_part(1)], ANY, InvalidPart, "once only"),
        (
            [a_part(1), a_part(2, state=UploadState.OPEN)],
            FINISHED_ONLY,
            PartUnfinished,
            "part 2 is not finished",
        ),
        ([a_part(1, length=25), a_part(2, length=26)], AT_MOST_50, UploadTooLarge, "50"),
        (
            [a_part(1, length=MAX_LENGTH), a_part(2, length=1)],
            ANY,
            UploadTooLarge,
            str(MAX_LENGTH),
        ),
    ],
)
def test_final_of_wrong_parts_is_refused(
    parts: list[Upload | None], policy: Policy, error: type[ProtocolError], complaint: str
) -> None:
    with pytest.raises(error) as refusal:
        decide_final(parts, "", policy)
    assert complaint in refusal.value.message


def test_strangers_part_is_answered_like_one_that_is_not_there() -> None:
    answers = []
    for part in (None, a_part(1, owner="eve"), an_upload(1, owner="eve")):
        with pytest.raises(InvalidPart) as refusal:
            decide_final([part], "ann", ANY)
        answers.append(refusal.value.message)
    assert len(set(answers)) == 1


@given(st.lists(st.none() | st.integers(0, 2**40), max_size=10))
def test_total_is_known_when_every_length_is(lengths: list[int | None]) -> None:
    parts = [a_part(number, length=length) for number, length in enumerate(lengths)]
    known = [length for length in lengths if length is not None]
    assert total_length(parts) == (sum(known) if len(known) == len(lengths) else None)


# --- append ---


def append(offset: int, announced: int | None = None, **changes: Any) -> Append:
    return Append(ID, offset, Payload(announced), **changes)


@pytest.mark.parametrize(
    ("request_", "upload", "policy", "limit", "length"),
    [
        (append(0, 100), an_upload(1), ANY, 100, 100),
        (append(40, 60), an_upload(1, offset=40), ANY, 100, 100),
        (append(40), an_upload(1, offset=40), ANY, 100, 100),
        (append(100, 0), an_upload(1, offset=100), ANY, 100, 100),
        (
            append(100, 0),
            an_upload(1, offset=100, state=UploadState.FINISHED),
            ANY,
            100,
            100,
        ),
        (append(0, 50), an_upload(1, length=None), AT_MOST_50, 50, None),
        (append(0, 9**15), an_upload(1, length=None), ANY, MAX_LENGTH, None),
        (append(20, 30, length=50), an_upload(1, length=None, offset=20), ANY, 50, 50),
        (append(20, 0, length=20), an_upload(1, length=None, offset=20), ANY, 20, 20),
        (append(0, 1, length=100), an_upload(1), ANY, 100, 100),
    ],
)
def test_bytes_go_to_the_offset_and_end_at_the_limit(
    request_: Append, upload: Upload, policy: Policy, limit: int, length: int | None
) -> None:
    expected = Chunk(request_.offset, limit, length, request_.payload)
    assert decide_append(request_, upload, policy) == expected


@pytest.mark.parametrize(
    ("request_", "upload", "policy", "error"),
    [
        (append(0, 1), a_final(1, 2), ANY, FinalUploadImmutable),
        (append(5, 1), a_final(1, 2, state=UploadState.FINISHED), ANY, FinalUploadImmutable),
        (append(1, 1), an_upload(1), ANY, OffsetMismatch),
        (append(0, 1), an_upload(1, offset=1), ANY, OffsetMismatch),
        (append(MAX_LENGTH, 1), an_upload(1), ANY, OffsetMismatch),
        (append(40, 61), an_upload(1, offset=40), ANY, UploadTooLarge),
        (append(100, 1), an_upload(1, offset=100), ANY, UploadTooLarge),
        (append(40, 11), an_upload(1, length=None, offset=40), AT_MOST_50, UploadTooLarge),
        (append(0, 31, length=30), an_upload(1, length=None), ANY, UploadTooLarge),
        (append(0, 0, length=51), an_upload(1, length=None), AT_MOST_50, UploadTooLarge),
        (append(0, 1, length=99), an_upload(1), ANY, InvalidHeader),
        (append(20, 1, length=19), an_upload(1, length=None, offset=20), ANY, InvalidHeader),
    ],
)
def test_append_that_may_not_be_is_refused(
    request_: Append, upload: Upload, policy: Policy, error: type[ProtocolError]
) -> None:
    with pytest.raises(error):
        decide_append(request_, upload, policy)


def test_mismatch_tells_where_to_resume() -> None:
    with pytest.raises(OffsetMismatch) as refusal:
        decide_append(append(1), an_upload(1, offset=42), ANY)
    assert refusal.value.offset == 42


@given(
    offset=st.integers(0, 60),
    length=st.none() | st.integers(0, 60),
    asked=st.integers(0, 60),
    announced=st.none() | st.integers(0, 80),
    declared=st.none() | st.integers(0, 60),
    max_size=st.none() | st.integers(0, 60),
)
def test_chunk_never_leaves_its_upload(
    offset: int,
    length: int | None,
    asked: int,
    announced: int | None,
    declared: int | None,
    max_size: int | None,
) -> None:
    upload = an_upload(1, length=length, offset=offset if length is None else min(offset, length))
    policy = Policy(max_size=max_size)
    try:
        chunk = decide_append(append(asked, announced, length=declared), upload, policy)
    except ProtocolError:
        return
    assert chunk.offset == upload.offset == asked
    assert announced is None or chunk.offset + announced <= chunk.limit
    if upload.length is not None:
        assert chunk.length == chunk.limit == upload.length
    elif declared is not None:
        assert chunk.length == chunk.limit == declared
        assert max_size is None or declared <= max_size
    else:
        assert chunk.length is None
        assert chunk.limit == (MAX_LENGTH if max_size is None else max_size)


# --- the rest ---


@pytest.mark.parametrize(
    ("upload", "lives"),
    [
        (an_upload(1, expires_at=100.5), True),
        (an_upload(1, expires_at=100.0), False),
        (an_upload(1, expires_at=None), True),
        (an_upload(1, state=UploadState.EXPIRED), False),
        (a_part(1, expires_at=99.0), False),
    ],
)
def test_expired_upload_is_gone(upload: Upload, lives: bool) -> None:
    if lives:
        check_living(upload, 100.0)
        return
    with pytest.raises(UploadGone) as refusal:
        check_living(upload, 100.0)
    assert refusal.value.status == 410


def test_unknown_length_has_no_size_to_check() -> None:
    check_size(None, AT_MOST_50)


@pytest.mark.parametrize(("length", "words"), [(50, "ends at byte 50"), (None, "at most byte 50")])
def test_excess_is_refused_with_the_limit(length: int | None, words: str) -> None:
    refusal = past_the_end(Chunk(0, 50, length, Payload(None)))
    assert (refusal.status, words in refusal.message) == (413, True)
