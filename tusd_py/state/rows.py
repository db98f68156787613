"""Maps an upload to its row and back."""

from collections.abc import Sequence
from typing import Any

from tusd_py.protocol.upload import Upload, UploadState

COLUMNS = (
    'id, owner, length, "offset", metadata, concat, state,'
    " created_at, touched_at, expires_at, finished_at, epoch, address, path, rejection"
)
#: A place for each of their values.
PLACES = ", ".join("?" * len(COLUMNS.split(",")))
INSERT_PART = "INSERT INTO part (final_id, position, upload_id) VALUES (?, ?, ?)"

Row = Sequence[Any]


def to_milliseconds(seconds: float | None) -> int | None:
    """Return a time as rows keep it."""
    return None if seconds is None else round(seconds * 1000)


def to_seconds(milliseconds: int | None) -> float | None:
    """Return a time as uploads keep it."""
    return None if milliseconds is None else milliseconds / 1000


def to_row(upload: Upload) -> Row:
    """Return the values of `COLUMNS`."""
    return (
        upload.id,
        upload.owner,
        upload.length,
        upload.offset,
        upload.metadata,
        upload.concat,
        upload.state.value,
        to_milliseconds(upload.created_at),
        to_milliseconds(upload.touched_at),
        to_milliseconds(upload.expires_at),
        to_milliseconds(upload.finished_at),
        upload.epoch,
        upload.address,
        upload.path,
        upload.rejection,
    )


def to_part_rows(upload: Upload) -> list[Row]:
    """Return the values of `INSERT_PART` for each part."""
    return [(upload.id, position, part) for position, part in enumerate(upload.parts)]


def to_upload(row: Row, parts: Sequence[str] = ()) -> Upload:
    """Return the upload that a row of `COLUMNS` and its *parts* describe."""
    (upload_id, owner, length, offset, metadata, concat, state) = row[:7]
    (created_at, touched_at, expires_at, finished_at, epoch) = row[7:12]
    (address, path, rejection) = row[12:]
    return Upload(
        id=upload_id,
        owner=owner,
        length=length,
        offset=offset,
        metadata=metadata,
        concat=concat,
        parts=tuple(parts),
        state=UploadState(state),
        created_at=created_at / 1000,
        touched_at=touched_at / 1000,
        expires_at=to_seconds(expires_at),
        finished_at=to_seconds(finished_at),
        epoch=epoch,
        address=address,
        path=path,
        rejection=rejection,
    )
