"""Keeps state in one SQLite file (WAL, synchronous=FULL)."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from tusd_py.errors import Displaced
from tusd_py.hooks.hook import Point
from tusd_py.protocol.limits import Account, Kind, Usage
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state import statements, usage
from tusd_py.state.outbox import Recording
from tusd_py.state.rows import (
    INSERT_PART,
    to_milliseconds,
    to_part_rows,
    to_row,
    to_upload,
)
from tusd_py.state.sqlite_outbox import SqliteOutbox, Telling
from tusd_py.state.sqlite_thread import SqliteThread
from tusd_py.state.state_store import Advance, StateStore

_T = TypeVar("_T")


class SqliteStore(StateStore):
    """
    Keeps state in a file on a local disk (SQLite's locks do not hold on NFS).

    Writes share one connection and its commits; reads have a connection of their own, so that a
    HEAD never waits for somebody else's flush.

    Args:
        writer: Runs what changes something.
        reader: Runs the rest.
        recording: Which changes are told to whom; none to nobody.
        keeps_addresses: Whether complete uploads keep the address that they came from.

    Attributes:
        outbox: What is still to be told; written with each change that *recording* names.
    """

    def __init__(
        self,
        writer: SqliteThread,
        reader: SqliteThread,
        recording: Recording | None = None,
        *,
        keeps_addresses: bool = False,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._keeps_addresses = keeps_addresses
        self.outbox = SqliteOutbox(writer, reader, recording)

    async def create(self, upload: Upload, accounts: Sequence[Account] = ()) -> None:
        def work(db: sqlite3.Connection, telling: Telling) -> None:
            db.execute(statements.INSERT, to_row(upload))
            db.executemany(INSERT_PART, to_part_rows(upload))
            usage.admit(db, upload, accounts)
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
            "completes": change.completes,
            "state": change.state.value,
            "finished_at": to_milliseconds(change.finished_at),
            "now": to_milliseconds(change.now),
            "expires_at": to_milliseconds(change.expires_at),
            "keeps_address": self._keeps_addresses,
        }

        def work(db: sqlite3.Connection, telling: Telling) -> Upload:
            row = db.execute(statements.ADVANCE, values).fetchone()
            if row is None:
                raise Displaced
            upload = to_upload(row)
            if (upload.length or change.to_offset) > change.from_offset:
                usage.check_stored(db, change.accounts, change.now)
            if upload.is_finished:
                telling.tell(db, Point.POST_FINISH, upload)
            elif change.to_offset > change.from_offset:
                telling.tell(db, Point.POST_RECEIVE, upload)
            return upload

        return await self._change(work)

    async def check_stored(self, accounts: Sequence[Account], more: int, now: float) -> None:
        await self._reader.run(lambda db: usage.check_stored(db, accounts, now, more))

    async def finish_final(
        self,
        upload_id: str,
        length: int,
        now: float,
        *,
        checks: bool = False,
        accounts: Sequence[Account] = (),
    ) -> Upload | None:
        values = {
            "id": upload_id,
            "length": length,
            "now": to_milliseconds(now),
            "checks": checks,
            "keeps_address": self._keeps_addresses,
        }
        change = _finishing(statements.FINISH_FINAL, values)

        def work(db: sqlite3.Connection, telling: Telling) -> Upload | None:
            upload = change(db, telling)
            usage.check_stored(db, accounts, now)
            return upload

        return await self._change(work)

    async def finish(
        self, upload_id: str, now: float, *, path: str | None = None, moved: bool = False
    ) -> Upload | None:
        values = {"id": upload_id, "now": to_milliseconds(now), "path": path, "moved": moved}
        return await self._change(_finishing(statements.FINISH, values))

    async def reject(self, upload_id: str, reason: str, now: float) -> Upload | None:
        values = {"id": upload_id, "now": to_milliseconds(now), "reason": reason}
        return await self._change(_telling(Point.FAILED, statements.REJECT, values))

    async def rewind(self, upload_id: str, offset: int) -> None:
        statement = """
            UPDATE upload SET "offset" = ?1 WHERE id = ?2 AND state = 'open' AND "offset" > ?1
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, (offset, upload_id))

        await self._writer.run(work)

    async def expire(self, upload_id: str, now: float) -> Upload | None:
        values = {"id": upload_id, "now": to_milliseconds(now)}
        return await self._change(_telling(Point.EXPIRED, statements.EXPIRE, values))

    async def remove(self, upload_id: str) -> bool:
        def work(db: sqlite3.Connection, telling: Telling) -> bool:
            gone = _find(db, upload_id) if telling.wants(Point.POST_TERMINATE) else None
            db.execute("DELETE FROM part WHERE final_id = ?", (upload_id,))
            removed = db.execute("DELETE FROM upload WHERE id = ?", (upload_id,)).rowcount > 0
            if gone is not None and not gone.is_tombstone:
                telling.tell(db, Point.POST_TERMINATE, gone)
            return removed

        return await self._change(work)

    async def forget_tombstones(self, expired_before: float) -> int:
        before = to_milliseconds(expired_before)

        def work(db: sqlite3.Connection) -> int:
            condition = statements.OLD_TOMBSTONES
            db.execute(
                f"DELETE FROM part WHERE final_id IN (SELECT id FROM upload WHERE {condition})",
                (before,),
            )
            return db.execute(f"DELETE FROM upload WHERE {condition}", (before,)).rowcount

        return await self._writer.run(work)

    async def count_tombstones(self, expired_before: float) -> int:
        statement = f"SELECT count(*) FROM upload WHERE {statements.OLD_TOMBSTONES}"
        before = to_milliseconds(expired_before)
        return await self._reader.run(
            lambda db: int(db.execute(statement, (before,)).fetchone()[0])
        )

    async def due(self, now: float, limit: int) -> list[Upload]:
        values = {"now": to_milliseconds(now), "limit": limit}
        return await self._reader.run(
            lambda db: [to_upload(row) for row in db.execute(statements.DUE, values)]
        )

    async def checking(self) -> list[Upload]:
        return await self._all(statements.CHECKING)

    async def unfinished_finals(self) -> list[Upload]:
        return await self._reader.run(
            lambda db: [
                _with_parts(db, row) for row in db.execute(statements.UNFINISHED_FINALS).fetchall()
            ]
        )

    async def finals_of(self, part_id: str) -> list[Upload]:
        return await self._reader.run(
            lambda db: [
                _with_parts(db, row) for row in db.execute(statements.FINALS_OF, (part_id,))
            ]
        )

    async def list_uploads(
        self, *, state: UploadState | None, owner: str | None, limit: int
    ) -> list[Upload]:
        values = {"state": state and state.value, "owner": owner, "limit": limit}
        return await self._all(statements.LIST, values)

    async def usage(self, kind: Kind) -> list[Usage]:
        return await self._reader.run(lambda db: usage.list_usage(db, kind))

    async def count_living(self, limit: int) -> int:
        return await self._reader.run(
            lambda db: int(db.execute(statements.COUNT_LIVING, (limit,)).fetchone()[0])
        )

    async def named(self, prefix: str) -> list[Upload]:
        values = (prefix, prefix + statements.PAST_HEX)
        return await self._all(statements.NAMED, values)

    async def highest_epoch(self) -> int:
        statement = "SELECT coalesce(max(epoch), 0) FROM upload"
        return await self._reader.run(lambda db: int(db.execute(statement).fetchone()[0]))

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    async def _all(
        self, statement: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Upload]:
        return await self._reader.run(
            lambda db: [_with_parts(db, row) for row in db.execute(statement, values).fetchall()]
        )

    async def _change(self, work: Callable[[sqlite3.Connection, Telling], _T]) -> _T:
        """Run *work* with what writes its messages in the same transaction."""
        telling = self.outbox.telling()
        result = await self._writer.run(lambda db: work(db, telling))
        self.outbox.ring()
        return result


def _steps_to(upload: Upload) -> Iterator[tuple[Point, Upload]]:
    """Yield what happens to an upload that is made in one step with its first bytes."""
    yield Point.POST_CREATE, replace(upload, offset=0)
    if upload.is_finished:
        yield Point.POST_FINISH, upload
    elif upload.offset > 0:
        yield Point.POST_RECEIVE, upload


def _finishing(
    statement: str, values: Mapping[str, object]
) -> Callable[[sqlite3.Connection, Telling], Upload | None]:
    """Return what changes an upload by *statement*, and tells of it where it is finished then."""

    def work(db: sqlite3.Connection, telling: Telling) -> Upload | None:
        upload = _changed(db, statement, values)
        if upload is not None and upload.is_finished:
            telling.tell(db, Point.POST_FINISH, upload)
        return upload

    return work


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
    row = db.execute(statements.FIND, (upload_id,)).fetchone()
    return None if row is None else _with_parts(db, row)


def _with_parts(db: sqlite3.Connection, row: Sequence[object]) -> Upload:
    upload = to_upload(row)
    if not upload.is_final:
        return upload
    return to_upload(row, [part for (part,) in db.execute(statements.FIND_PARTS, (upload.id,))])


def _changed(db: sqlite3.Connection, statement: str, values: Mapping[str, object]) -> Upload | None:
    row = db.execute(statement, values).fetchone()
    return None if row is None else _with_parts(db, row)
