"""Keeps what is still to be told in the state file, beside what it tells of."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tusd_py.hooks.hook import CALLER, Caller, Compose, Message, Point
from tusd_py.protocol.upload import Upload
from tusd_py.state.outbox import Delivery, Outbox, Recording, Waiting
from tusd_py.state.rows import to_milliseconds
from tusd_py.state.sqlite_thread import SqliteThread

_INSERT_EVENT = """
    INSERT INTO outbox (event_id, upload_id, point, payload, created_at) VALUES (?, ?, ?, ?, ?)
"""
_INSERT_DELIVERY = """
    INSERT INTO delivery (target, upload_id, sequence, since, next_at) VALUES (?, ?, ?, ?, ?)
"""
_COLUMNS = """
    sequence, event_id, outbox.upload_id, point, payload, target, created_at, since,
    attempts, next_at, last_error, state
"""
_DUE = f"""
    SELECT {_COLUMNS} FROM delivery JOIN outbox USING (sequence)
    WHERE target = :target AND state = 'pending' AND next_at <= :now AND NOT EXISTS (
        SELECT 1 FROM delivery AS earlier
        WHERE earlier.target = delivery.target AND earlier.upload_id = delivery.upload_id
            AND earlier.sequence < delivery.sequence AND earlier.state = 'pending'
    )
    ORDER BY next_at, sequence LIMIT :limit
"""
_LIST = f"""
    SELECT {_COLUMNS} FROM delivery JOIN outbox USING (sequence)
    WHERE NOT :only_dead OR state = 'dead'
    ORDER BY sequence, target LIMIT :limit
"""
#: Later messages of the upload wait anyway; so they need not be looked at before that time.
_POSTPONE_ALL = """
    UPDATE delivery SET next_at = :until
    WHERE target = :target AND upload_id = :upload_id AND state = 'pending'
"""
_FAIL = """
    UPDATE delivery SET attempts = attempts + 1, last_error = :error, state = :state
    WHERE target = :target AND upload_id = :upload_id AND sequence = :sequence
"""
_DELETE = "DELETE FROM delivery WHERE target = ? AND upload_id = ? AND sequence = ?"
_FORGET = """
    DELETE FROM outbox WHERE sequence = :sequence
        AND NOT EXISTS (SELECT 1 FROM delivery WHERE sequence = :sequence)
"""
_COUNT = (
    "SELECT coalesce(sum(state = 'pending'), 0), coalesce(sum(state = 'dead'), 0) FROM delivery"
)
_OF_EVENT = "sequence IN (SELECT sequence FROM outbox WHERE event_id = ?)"
_RETRY = """
    UPDATE delivery SET state = 'pending', attempts = 0, since = :now, next_at = :now WHERE
"""


class Telling:
    """
    Writes the messages of one change, in the transaction of that change.

    Args:
        recording: What is told, and to whom; None for nothing to anybody.
        caller: Whose request brings the change about.
    """

    def __init__(self, recording: Recording | None, caller: Caller) -> None:
        self._recording = recording
        self._caller = caller

    def wants(self, point: Point) -> bool:
        """Tell whether anybody would be told."""
        return self._recording is not None and point in self._recording.points

    def tell(self, db: sqlite3.Connection, point: Point, upload: Upload) -> None:
        """Write a message, if anybody wants it."""
        if self._recording is None or point not in self._recording.points:
            return
        message = self._recording.compose(point, upload, self._caller)
        _insert(db, message, self._recording.targets, self._recording.clock())


#: For a store that tells nothing.
SILENCE = Telling(None, Caller())


class SqliteOutbox(Outbox):
    """Shares the threads of the state store, and so its transactions and their cost."""

    def __init__(
        self, writer: SqliteThread, reader: SqliteThread, recording: Recording | None
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._recording = recording
        self._bells: list[asyncio.Event] = []

    def telling(self) -> Telling:
        """Return what writes the messages of a change that the request now served makes."""
        return SILENCE if self._recording is None else Telling(self._recording, CALLER.get())

    def ring(self) -> None:
        """Let those look who deliver: there may be a message."""
        for bell in self._bells:
            bell.set()

    def bell(self) -> asyncio.Event:
        self._bells.append(asyncio.Event())
        return self._bells[-1]

    async def announce(self) -> None:
        recording = self._recording
        announced: list[tuple[str, str]] = []
        if recording is not None:
            points = ",".join(sorted(recording.points))
            announced = [(target, points) for target in recording.targets]
        if await self._reader.run(_announced) == sorted(announced):
            return

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM hook")
            db.executemany("INSERT INTO hook (target, points) VALUES (?, ?)", announced)

        await self._writer.run(work)

    async def adopt(self, compose: Compose, clock: Callable[[], float]) -> None:
        """Tell from now on what the server said that it tells."""
        announced = await self._reader.run(_announced)
        if announced:
            points = frozenset(map(Point, filter(None, announced[0][1].split(","))))
            targets = tuple(target for target, _ in announced)
            self._recording = Recording(points, targets, compose, clock)

    async def put(self, upload: Upload, point: Point) -> Message | None:
        recording = self._recording
        if recording is None:
            return None
        message, now = recording.compose(point, upload, CALLER.get()), recording.clock()
        await self._writer.run(lambda db: _insert(db, message, recording.targets, now))
        self.ring()
        return message

    async def due(self, target: str, now: float, limit: int) -> list[Delivery]:
        values = {"target": target, "now": to_milliseconds(now), "limit": limit}
        return await self._reader.run(lambda db: list(map(_read, db.execute(_DUE, values))))

    async def delivered(self, delivery: Delivery) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(_DELETE, (delivery.target, delivery.message.upload_id, delivery.sequence))
            db.execute(_FORGET, {"sequence": delivery.sequence})

        await self._writer.run(work)

    async def postpone(self, delivery: Delivery, *, until: float, error: str) -> None:
        await self._fail(delivery, "pending", until, error)

    async def bury(self, delivery: Delivery, *, error: str, now: float) -> None:
        await self._fail(delivery, "dead", now, error)

    async def _fail(self, delivery: Delivery, state: str, until: float, error: str) -> None:
        values = {
            "target": delivery.target,
            "upload_id": delivery.message.upload_id,
            "sequence": delivery.sequence,
            "until": to_milliseconds(until),
            "error": error,
            "state": state,
        }

        def work(db: sqlite3.Connection) -> None:
            db.execute(_FAIL, values)
            db.execute(_POSTPONE_ALL, values)

        await self._writer.run(work)

    async def retry(self, event_ids: Sequence[str] | None, now: float) -> int:
        moment = to_milliseconds(now)

        def work(db: sqlite3.Connection) -> int:
            if event_ids is None:
                return db.execute(f"{_RETRY} state = 'dead'", {"now": moment}).rowcount
            statement = f"{_RETRY} sequence IN (SELECT sequence FROM outbox WHERE event_id = :id)"
            return sum(
                db.execute(statement, {"now": moment, "id": each}).rowcount for each in event_ids
            )

        return await self._writer.run(work)

    async def drop(self, event_ids: Sequence[str] | None) -> int:
        def work(db: sqlite3.Connection) -> int:
            if event_ids is None:
                dropped = db.execute("DELETE FROM delivery WHERE state = 'dead'").rowcount
            else:
                statement = f"DELETE FROM delivery WHERE {_OF_EVENT}"
                dropped = sum(db.execute(statement, (each,)).rowcount for each in event_ids)
            db.execute(
                "DELETE FROM outbox WHERE NOT EXISTS"
                " (SELECT 1 FROM delivery WHERE delivery.sequence = outbox.sequence)"
            )
            return dropped

        return await self._writer.run(work)

    async def deliveries(self, *, limit: int, only_dead: bool = False) -> list[Delivery]:
        values = {"limit": limit, "only_dead": only_dead}
        return await self._reader.run(lambda db: list(map(_read, db.execute(_LIST, values))))

    async def count(self) -> Waiting:
        return await self._reader.run(lambda db: Waiting(*db.execute(_COUNT).fetchone()))


def _announced(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT target, points FROM hook ORDER BY target").fetchall()


def _insert(db: sqlite3.Connection, message: Message, targets: Sequence[str], now: float) -> None:
    """Write *message* and its deliveries; in the caller's transaction."""
    moment = to_milliseconds(now)
    event = (message.event_id, message.upload_id, message.point.value, message.payload, moment)
    sequence = db.execute(_INSERT_EVENT, event).lastrowid
    db.executemany(
        _INSERT_DELIVERY,
        [(target, message.upload_id, sequence, moment, moment) for target in targets],
    )


def _read(row: Sequence[Any]) -> Delivery:
    (sequence, event_id, upload_id, point, payload, target) = row[:6]
    (created_at, since, attempts, next_at, last_error, state) = row[6:]
    return Delivery(
        sequence=sequence,
        message=Message(event_id, upload_id, Point(point), payload),
        target=target,
        created_at=created_at / 1000,
        since=since / 1000,
        attempts=attempts,
        next_at=next_at / 1000,
        last_error=last_error,
        is_dead=state == "dead",
    )
