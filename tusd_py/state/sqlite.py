"""Keeps state in one SQLite file (WAL, synchronous=FULL)."""

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tusd_py.errors import DataDirectoryError, Displaced, TooManyUploads
from tusd_py.hooks.hook import Point
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state import first_look
from tusd_py.state.migrations import migrate
from tusd_py.state.outbox import Recording
from tusd_py.state.rows import (
    COLUMNS,
    INSERT_PART,
    PLACES,
    to_milliseconds,
    to_part_rows,
    to_row,
    to_upload,
)
from tusd_py.state.sqlite_outbox import SqliteOutbox, Telling
from tusd_py.state.sqlite_thread import SqliteThread
from tusd_py.state.state_store import Advance, StateStore
from tusd_py.state.write_turn import WriteTurn

_T = TypeVar("_T")

#: Bytes that must be free: what processes share has 32 KiB to begin with, beside the log.
_ROOM_TO_OPEN = 2**20
#: How long one process waits for another's transaction, in seconds.
_BUSY_TIMEOUT = 10.0

_INSERT = f"INSERT INTO upload ({COLUMNS}) VALUES ({PLACES})"
_COUNT_OPEN = """
    SELECT count(*) FROM upload
    WHERE address = :address AND (expires_at IS NULL OR expires_at > :now)
"""
_FIND = f"SELECT {COLUMNS} FROM upload WHERE id = ?"
_FIND_PARTS = "SELECT upload_id FROM part WHERE final_id = ? ORDER BY position"
_ADVANCE = f"""
    UPDATE upload SET
        "offset" = :to_offset, length = :length, epoch = :epoch, touched_at = :now,
        state = CASE WHEN :finishes THEN 'finished' ELSE 'open' END,
        finished_at = CASE WHEN :finishes THEN :now END,
        address = CASE WHEN NOT :finishes THEN address END,
        expires_at = CASE WHEN :finishes AND concat IS NULL THEN NULL ELSE :expires_at END
    WHERE id = :id AND state = 'open' AND "offset" = :from_offset AND epoch <= :epoch
        AND (length IS NULL OR length = :length)
    RETURNING {COLUMNS}
"""
_FINISH_FINAL = f"""
    UPDATE upload SET
        length = :length, "offset" = :length, state = 'finished', finished_at = :now,
        touched_at = :now, expires_at = NULL, address = NULL
    WHERE id = :id AND state = 'concatenating'
    RETURNING {COLUMNS}
"""
#: Holds for what no living final upload waits for: its parts stay until it is joined.
_NOT_NEEDED = """
    NOT EXISTS (
        SELECT 1 FROM part JOIN upload AS final ON final.id = part.final_id
        WHERE part.upload_id = upload.id AND final.state = 'concatenating'
            AND (final.expires_at IS NULL OR final.expires_at > :now)
    )
"""
_EXPIRE = f"""
    UPDATE upload SET state = 'expired', address = NULL
    WHERE id = :id AND state <> 'expired' AND expires_at <= :now AND {_NOT_NEEDED}
    RETURNING {COLUMNS}
"""
_DUE = f"""
    SELECT {COLUMNS} FROM upload
    WHERE state IN ('open', 'concatenating', 'finished') AND expires_at <= :now AND {_NOT_NEEDED}
    ORDER BY expires_at LIMIT :limit
"""
_UNFINISHED_FINALS = f"""
    SELECT {COLUMNS} FROM upload WHERE state = 'concatenating' ORDER BY created_at
"""
_FINALS_OF = f"""
    SELECT {COLUMNS} FROM upload
    WHERE state <> 'expired' AND id IN (SELECT final_id FROM part WHERE upload_id = ?)
    ORDER BY created_at
"""
_LIST = f"""
    SELECT {COLUMNS} FROM upload
    WHERE (:state IS NULL OR state = :state) AND (:owner IS NULL OR owner = :owner)
    ORDER BY created_at DESC LIMIT :limit
"""
_COUNT_LIVING = """
    SELECT count(*) FROM (
        SELECT 1 FROM upload WHERE state IN ('open', 'concatenating', 'finished') LIMIT ?
    )
"""
_NAMED = f"SELECT {COLUMNS} FROM upload WHERE id >= ? AND id < ? ORDER BY id"
#: Sorts behind every digit of an id.
_PAST_HEX = "g"


class SqliteStore(StateStore):
    """
    Keeps state in a file on a local disk (SQLite's locks do not hold on NFS).

    Writes share one connection and its commits; reads have a connection of their own, so that a
    HEAD never waits for somebody else's flush.

    Attributes:
        outbox: What is still to be told; written with each change that *recording* names.
    """

    def __init__(
        self, writer: SqliteThread, reader: SqliteThread, recording: Recording | None = None
    ) -> None:
        self._writer = writer
        self._reader = reader
        self.outbox = SqliteOutbox(writer, reader, recording)

    async def create(self, upload: Upload, *, max_open: int | None = None) -> None:
        def work(db: sqlite3.Connection, telling: Telling) -> None:
            if max_open is not None and upload.address is not None:
                _check_open(db, upload, max_open)
            db.execute(_INSERT, to_row(upload))
            db.executemany(INSERT_PART, to_part_rows(upload))
            for point, then in _steps_to(upload):
                telling.tell(db, point, then)

        await self._change(work)

    async def find(self, upload_id: str) -> Upload | None:
        return await self._reader.run(lambda db: _find(db, upload_id))

    async def find_all(self, upload_ids: Sequence[str]) -> list[Upload | None]:
        return await self._reader.run(lambda db: [_find(db, each) for each in upload_ids])

    async def advance(self, change: Advance) -> Upload:
        values = {
            "id": change.upload_id,
            "from_offset": change.from_offset,
            "to_offset": change.to_offset,
            "length": change.length,
            "epoch": change.epoch,
            "finishes": change.finishes,
            "now": to_milliseconds(change.now),
            "expires_at": to_milliseconds(change.expires_at),
        }

        def work(db: sqlite3.Connection, telling: Telling) -> Upload:
            row = db.execute(_ADVANCE, values).fetchone()
            if row is None:
                raise Displaced
            upload = to_upload(row)
            if upload.is_finished:
                telling.tell(db, Point.POST_FINISH, upload)
            elif change.to_offset > change.from_offset:
                telling.tell(db, Point.POST_RECEIVE, upload)
            return upload

        return await self._change(work)

    async def finish_final(self, upload_id: str, length: int, now: float) -> Upload | None:
        values = {"id": upload_id, "length": length, "now": to_milliseconds(now)}
        return await self._change(_telling(Point.POST_FINISH, _FINISH_FINAL, values))

    async def rewind(self, upload_id: str, offset: int) -> None:
        statement = """
            UPDATE upload SET "offset" = ?1 WHERE id = ?2 AND state = 'open' AND "offset" > ?1
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, (offset, upload_id))

        await self._writer.run(work)

    async def expire(self, upload_id: str, now: float) -> Upload | None:
        values = {"id": upload_id, "now": to_milliseconds(now)}
        return await self._change(_telling(Point.EXPIRED, _EXPIRE, values))

    async def remove(self, upload_id: str, *, rejected: bool = False) -> bool:
        point = Point.FAILED if rejected else Point.POST_TERMINATE

        def work(db: sqlite3.Connection, telling: Telling) -> bool:
            gone = _find(db, upload_id) if telling.wants(point) else None
            db.execute("DELETE FROM part WHERE final_id = ?", (upload_id,))
            removed = db.execute("DELETE FROM upload WHERE id = ?", (upload_id,)).rowcount > 0
            if gone is not None and gone.state is not UploadState.EXPIRED:
                telling.tell(db, point, gone)
            return removed

        return await self._change(work)

    async def forget_tombstones(self, expired_before: float) -> int:
        before = to_milliseconds(expired_before)

        def work(db: sqlite3.Connection) -> int:
            condition = "state = 'expired' AND expires_at < ?"
            db.execute(
                f"DELETE FROM part WHERE final_id IN (SELECT id FROM upload WHERE {condition})",
                (before,),
            )
            return db.execute(f"DELETE FROM upload WHERE {condition}", (before,)).rowcount

        return await self._writer.run(work)

    async def count_tombstones(self, expired_before: float) -> int:
        statement = "SELECT count(*) FROM upload WHERE state = 'expired' AND expires_at < ?"
        before = to_milliseconds(expired_before)
        return await self._reader.run(
            lambda db: int(db.execute(statement, (before,)).fetchone()[0])
        )

    async def due(self, now: float, limit: int) -> list[Upload]:
        values = {"now": to_milliseconds(now), "limit": limit}
        return await self._reader.run(
            lambda db: [to_upload(row) for row in db.execute(_DUE, values)]
        )

    async def unfinished_finals(self) -> list[Upload]:
        return await self._reader.run(
            lambda db: [_with_parts(db, row) for row in db.execute(_UNFINISHED_FINALS).fetchall()]
        )

    async def finals_of(self, part_id: str) -> list[Upload]:
        return await self._reader.run(
            lambda db: [_with_parts(db, row) for row in db.execute(_FINALS_OF, (part_id,))]
        )

    async def list_uploads(
        self, *, state: UploadState | None, owner: str | None, limit: int
    ) -> list[Upload]:
        values = {"state": state and state.value, "owner": owner, "limit": limit}
        return await self._reader.run(
            lambda db: [_with_parts(db, row) for row in db.execute(_LIST, values)]
        )

    async def count_living(self, limit: int) -> int:
        return await self._reader.run(
            lambda db: int(db.execute(_COUNT_LIVING, (limit,)).fetchone()[0])
        )

    async def named(self, prefix: str) -> list[Upload]:
        values = (prefix, prefix + _PAST_HEX)
        return await self._reader.run(
            lambda db: [_with_parts(db, row) for row in db.execute(_NAMED, values)]
        )

    async def highest_epoch(self) -> int:
        statement = "SELECT coalesce(max(epoch), 0) FROM upload"
        return await self._reader.run(lambda db: int(db.execute(statement).fetchone()[0]))

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    async def _change(self, work: Callable[[sqlite3.Connection, Telling], _T]) -> _T:
        """Run *work* with what writes its messages in the same transaction."""
        telling = self.outbox.telling()
        result = await self._writer.run(lambda db: work(db, telling))
        self.outbox.ring()
        return result


async def open_sqlite(
    path: Path, *, strict: bool, create: bool = True, recording: Recording | None = None
) -> SqliteStore:
    """
    Open the state file, migrating it as needed.

    Args:
        path: The file; its directory exists.
        create: Whether to make it where it is missing.
        strict: Flush at every commit (synchronous=FULL); otherwise a power cut may take the
            last commits with it, while the file stays whole.
        recording: Which changes are told to whom; none to nobody by default.

    Raises:
        DataDirectoryError: It cannot be opened, or is no state file of ours.
    """
    try:
        writer, reader = await asyncio.to_thread(_open, path, strict=strict, create=create)
    except (sqlite3.Error, OSError) as error:
        if _is_full(path.parent):
            raise DataDirectoryError(
                f"The disk below {path.parent} is full: make some room, a megabyte will do. SQLite"
                " needs it to open the state file."
            ) from error
        raise DataDirectoryError(
            f"The state file {path} cannot be used ({error}). Check that it and its directory are"
            " writable and on a local disk, and that no other program keeps it locked. If it is"
            " damaged, restore it from a backup, or let `tusd-py verify --repair` save what can be"
            " saved."
        ) from error
    turn = WriteTurn(path.with_suffix(".lock"))
    return SqliteStore(
        SqliteThread(writer, begin="BEGIN IMMEDIATE", turn=turn),
        SqliteThread(reader, begin="BEGIN"),
        recording,
    )


def _open(
    path: Path, *, strict: bool, create: bool
) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    with ExitStack() as stack:
        writer = stack.enter_context(closing(_connect(path, strict=strict, create=create)))
        migrate(writer, path.with_suffix(".lock"))
        if create:
            first_look.look(writer)
        reader = _connect(path, strict=strict, create=False)
        stack.pop_all()  # both are whole, and the caller's
        return writer, reader


def _connect(path: Path, *, strict: bool, create: bool) -> sqlite3.Connection:
    if create:
        # It holds owners and file names; SQLite gives its -wal and -shm the same mode.
        path.touch(mode=0o600)
        if not os.access(path, os.W_OK):
            # SQLite would open it to read, and the first client would find that out.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    with ExitStack() as stack:
        stack.enter_context(closing(connection))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if strict else 'NORMAL'}")
        stack.pop_all()  # it is of use, and the caller's
    return connection


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < _ROOM_TO_OPEN
    except OSError:
        return False


def _check_open(db: sqlite3.Connection, upload: Upload, most: int) -> None:
    """Refuse where the address has that many; the transaction lets nobody come in between."""
    values = {"address": upload.address, "now": to_milliseconds(upload.created_at)}
    if db.execute(_COUNT_OPEN, values).fetchone()[0] >= most:
        raise TooManyUploads(most)


def _steps_to(upload: Upload) -> Iterator[tuple[Point, Upload]]:
    """Yield what happens to an upload that is made in one step with its first bytes."""
    yield Point.POST_CREATE, replace(upload, offset=0)
    if upload.is_finished:
        yield Point.POST_FINISH, upload
    elif upload.offset > 0:
        yield Point.POST_RECEIVE, upload


def _telling(
    point: Point, statement: str, values: Mapping[str, object]
) -> Callable[[sqlite3.Connection, Telling], Upload | None]:
    """Return what changes an upload by *statement*, and tells that where it did."""

    def work(db: sqlite3.Connection, telling: Telling) -> Upload | None:
        upload = _changed(db, statement, values)
        if upload is not None:
            telling.tell(db, point, upload)
        return upload

    return work


def _find(db: sqlite3.Connection, upload_id: str) -> Upload | None:
    row = db.execute(_FIND, (upload_id,)).fetchone()
    return None if row is None else _with_parts(db, row)


def _with_parts(db: sqlite3.Connection, row: Sequence[object]) -> Upload:
    upload = to_upload(row)
    if not upload.is_final:
        return upload
    return to_upload(row, [part for (part,) in db.execute(_FIND_PARTS, (upload.id,))])


def _changed(db: sqlite3.Connection, statement: str, values: Mapping[str, object]) -> Upload | None:
    row = db.execute(statement, values).fetchone()
    return None if row is None else _with_parts(db, row)
