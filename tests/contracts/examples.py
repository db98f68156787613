"""Uploads to try things on."""

from dataclasses import replace
from typing import Any

from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import Advance

#: When the examples were created: a time that a row's milliseconds hold exactly.
THEN = 1_700_000_000.0
WEEK = 7 * 86_400.0
LATER = THEN + 60.0


def upload_id(number: int) -> str:
    """Return a proper id, the same one for the same *number*."""
    return f"{number:032x}"


def an_upload(number: int, **changes: Any) -> Upload:
    """Return an open upload of 100 bytes, with *changes*."""
    return replace(
        Upload(
            id=upload_id(number),
            length=100,
            created_at=THEN,
            touched_at=THEN,
            expires_at=THEN + WEEK,
        ),
        **changes,
    )


def a_part(number: int, **changes: Any) -> Upload:
    """Return a finished partial upload of ten bytes, with *changes*."""
    whole = {"length": 10, "offset": 10, "state": UploadState.FINISHED, "finished_at": THEN}
    return an_upload(number, concat="partial", **whole | changes)


def a_final(number: int, *parts: int, **changes: Any) -> Upload:
    """Return a final upload that waits for the *parts* of those numbers, with *changes*."""
    ids = tuple(upload_id(part) for part in parts)
    concat = "final;" + " ".join(f"/files/{part}" for part in ids)
    waiting = {"length": None, "state": UploadState.CONCATENATING}
    return an_upload(number, concat=concat, parts=ids, **waiting | changes)


def an_advance(number: int = 1, **changes: Any) -> Advance:
    """Return the commit of the first ten bytes of `an_upload`, with *changes*."""
    change = Advance(
        upload_id=upload_id(number),
        from_offset=0,
        to_offset=10,
        length=100,
        epoch=1,
        now=LATER,
        expires_at=LATER + WEEK,
    )
    return replace(change, **changes)
