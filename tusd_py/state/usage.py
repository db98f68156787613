"""Holds who has how much against what they may have, within the transaction that changes it."""

import math
import sqlite3
from collections.abc import Sequence

from tusd_py.errors import TooManyCreations, TooManyUploads, TooMuchStored
from tusd_py.protocol.limits import Account, Kind, Usage
from tusd_py.protocol.upload import Upload
from tusd_py.state.rows import to_milliseconds
from tusd_py.state.statements import NOT_NEEDED
from tusd_py.state.usage_schema import COUNTED, FILL, SET_IN_FINAL

_HOUR = 3600 * 1000
_FIND = "SELECT open_uploads, stored FROM usage WHERE kind = ? AND name = ?"
_LIST = """
    SELECT name, open_uploads, stored FROM usage WHERE kind = ?
    ORDER BY stored DESC, open_uploads DESC, name
"""
#: What is expired and was not swept yet; the plus signs keep to the index of what is due.
_OVERDUE = f"""
    SELECT coalesce(sum(counts_open), 0), coalesce(sum(counts_bytes), 0) FROM upload
    WHERE state IN ('open', 'concatenating', 'finished') AND expires_at <= :now AND {NOT_NEEDED}
        AND CASE :kind WHEN 'owner' THEN +owner ELSE +address END = :name
"""
#: A clock that was set back must not make anybody wait for longer than the hour.
_FORGET = "DELETE FROM creation WHERE at <= :now - :hour OR at > :now + :hour"
_NOTE = "INSERT INTO creation (kind, name, at) VALUES (?, ?, ?)"
#: The one among the last creations that has to be an hour old before there may be another.
_LAST_BUT = """
    SELECT at FROM creation WHERE kind = ? AND name = ? ORDER BY at DESC LIMIT 1 OFFSET ?
"""
_WRONG = f"""
    SELECT count(*) FROM (
        SELECT kind, name FROM (
            SELECT kind, name, open_uploads, stored FROM usage UNION ALL {COUNTED}
        ) GROUP BY kind, name, open_uploads, stored HAVING count(*) <> 2
    )
"""


def admit(db: sqlite3.Connection, upload: Upload, accounts: Sequence[Account]) -> None:
    """
    Note that *upload* was just created, for those who count it.

    Raises:
        TooManyCreations, TooManyUploads, TooMuchStored: By this somebody has more than they may
            have; the savepoint that it was created in has to be undone.
    """
    now = upload.created_at
    for account in accounts:
        _note_creation(db, account, now)
        most = account.limits.open_uploads
        if most is None or upload.is_complete:
            continue
        has, _ = _usage_of(db, account)
        if has > most and has - _overdue(db, account, now)[0] > most:
            raise TooManyUploads(account.setting("open_uploads"), most)
    if upload.length != 0:
        check_stored(db, accounts, now)


def check_stored(
    db: sqlite3.Connection, accounts: Sequence[Account], now: float, more: int = 0
) -> None:
    """Raise `TooMuchStored` where somebody has more than they may store, or had with *more*."""
    for account in accounts:
        most = account.limits.stored
        if most is None:
            continue
        has = _usage_of(db, account)[1] + more
        if has > most and has - _overdue(db, account, now)[1] > most:
            raise TooMuchStored(account.setting("stored"), most)


def list_usage(db: sqlite3.Connection, kind: Kind) -> list[Usage]:
    """Return all who have anything, who stores most first."""
    return [Usage(*row) for row in db.execute(_LIST, (kind.value,))]


def count_wrong(db: sqlite3.Connection) -> int:
    """Return how many rows of `usage` are wrong, missing or too many."""
    return int(db.execute(_WRONG).fetchone()[0])


def recount(db: sqlite3.Connection) -> None:
    """Count anew, from the uploads that are there."""
    db.execute(SET_IN_FINAL)
    db.execute("DELETE FROM usage")
    db.execute(FILL)


def _usage_of(db: sqlite3.Connection, account: Account) -> tuple[int, int]:
    """Return how many open uploads and stored bytes *account* has."""
    row = db.execute(_FIND, (account.kind.value, account.name)).fetchone()
    return row or (0, 0)


def _overdue(db: sqlite3.Connection, account: Account, now: float) -> tuple[int, int]:
    """Return how much of that is expired, and only waits to be swept."""
    values = {"kind": account.kind.value, "name": account.name, "now": to_milliseconds(now)}
    row: tuple[int, int] = db.execute(_OVERDUE, values).fetchone()
    return row


def _note_creation(db: sqlite3.Connection, account: Account, now: float) -> None:
    most = account.limits.creations_per_hour
    if most is None:
        return
    at = round(now * 1000)
    kind, name = account.kind.value, account.name
    db.execute(_FORGET, {"now": at, "hour": _HOUR})
    oldest = db.execute(_LAST_BUT, (kind, name, most - 1)).fetchone() if most else (at,)
    if oldest is not None:
        wait = math.ceil((oldest[0] + _HOUR - at) / 1000)
        raise TooManyCreations(account.setting("creations_per_hour"), most, retry_after=wait)
    db.execute(_NOTE, (kind, name, at))
