"""Of data alone an upload is made anew, for its owner alone, and never with more than is there."""

from dataclasses import replace

import pytest

from tests.contracts.examples import LATER, THEN, WEEK, a_final, an_upload, upload_id
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.data_store import Evidence
from tusd_py.uploads.rebuilding import Rebuilding

MARGIN = 64
NOW = THEN + 10 * WEEK
REBUILDING = Rebuilding(MARGIN, Expiration(WEEK, sliding=False))


def evidence(witness: Upload | None, size: int | None) -> Evidence:
    upload = upload_id(1) if witness is None else witness.id
    return Evidence(upload, size, LATER, witness)


def witness(length: int | None = 1000, concat: str | None = None) -> Upload:
    return Upload(
        id=upload_id(1),
        owner="ann",
        length=length,
        metadata="name YWJj",
        concat=concat,
        created_at=THEN,
        touched_at=THEN,
    )


@pytest.mark.parametrize("size", [0, 1, MARGIN, MARGIN + 1, 999])
@pytest.mark.parametrize("length", [1000, None])
@pytest.mark.parametrize("concat", [None, "partial"])
def test_what_is_not_whole_is_open_at_what_was_surely_committed(
    size: int, length: int | None, concat: str | None
) -> None:
    known = witness(length, concat)
    rebuilt = REBUILDING.upload_of(evidence(known, size), NOW)
    offset = max(0, size - MARGIN)
    assert rebuilt == replace(known, offset=offset, touched_at=LATER, expires_at=NOW + WEEK)


@pytest.mark.parametrize(("concat", "expires_at"), [(None, None), ("partial", NOW + WEEK)])
@pytest.mark.parametrize("length", [0, 1, 1000])
def test_what_is_whole_is_finished(
    length: int, concat: str | None, expires_at: float | None
) -> None:
    known = witness(length, concat)
    assert REBUILDING.upload_of(evidence(known, length), NOW) == replace(
        known,
        offset=length,
        state=UploadState.FINISHED,
        touched_at=LATER,
        finished_at=LATER,
        expires_at=expires_at,
    )


@pytest.mark.parametrize(("witness", "size"), [(None, 10), (None, 0), (witness(), None)])
def test_nobody_knows_whose_it_is(witness: Upload | None, size: int | None) -> None:
    assert REBUILDING.upload_of(evidence(witness, size), NOW) is None


def test_more_than_the_whole_is_no_upload_of_ours() -> None:
    assert REBUILDING.upload_of(evidence(witness(10), 11), NOW) is None


@pytest.mark.parametrize("length", [100, None])
@pytest.mark.parametrize("size", [0, 50])
def test_final_that_was_not_joined_is_joined_anew(length: int | None, size: int) -> None:
    rebuilt = REBUILDING.upload_of(evidence(a_final(1, 2, 3, length=length), size), NOW)
    assert rebuilt is not None
    assert (rebuilt.state, rebuilt.offset) == (UploadState.CONCATENATING, 0)
    assert rebuilt.parts == (upload_id(2), upload_id(3))
    assert rebuilt.expires_at == NOW + WEEK


def test_final_without_the_names_of_its_parts_is_kept_only_where_it_is_whole() -> None:
    known = replace(a_final(1, length=100), concat="final;", parts=())
    assert REBUILDING.upload_of(evidence(known, 50), NOW) is None
    rebuilt = REBUILDING.upload_of(evidence(known, 100), NOW)
    assert rebuilt is not None
    assert rebuilt.is_finished
    assert rebuilt.expires_at is None


def test_nothing_expires_where_nothing_does() -> None:
    rebuilding = Rebuilding(MARGIN, Expiration(None, sliding=False))
    rebuilt = rebuilding.upload_of(evidence(witness(), 500), NOW)
    assert rebuilt is not None
    assert rebuilt.expires_at is None


def test_owner_is_whom_the_creation_named() -> None:
    garbled = an_upload(1, owner="eve", metadata="garbled", offset=7)
    assert REBUILDING.corrected(garbled, witness()) == replace(
        garbled, owner="ann", metadata="name YWJj"
    )
    without_metadata = replace(witness(), metadata=None)
    assert REBUILDING.corrected(garbled, without_metadata) == replace(garbled, owner="ann")


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (witness(), UploadState.CHECKING),
        (witness(concat="partial"), UploadState.FINISHED),
        (replace(a_final(1, length=1000), parts=()), UploadState.CHECKING),
    ],
    ids=["single", "partial", "final"],
)
def test_what_is_whole_is_checked_again_where_checks_are_made(
    known: Upload, state: UploadState
) -> None:
    """Nobody knows whether it was; and what was rejected has no data."""
    rebuilt = replace(REBUILDING, awaits=True).upload_of(evidence(known, 1000), NOW)
    assert rebuilt is not None
    assert rebuilt.state is state
    assert (rebuilt.finished_at is None) is (state is UploadState.CHECKING)
    assert rebuilt.is_complete
