"""Looks whether a state file is sound, and reads what can be read of one that is not."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tusd_py.errors import DataDirectoryError, ProtocolError
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.upload import MAX_LENGTH, Upload, is_upload_id
from tusd_py.state import usage
from tusd_py.state.migrations import known_steps
from tusd_py.state.rows import COLUMNS, INSERT_PART, PLACES, to_part_rows, to_row, to_upload
from tusd_py.state.sqlite import SqliteStore
from tusd_py.state.sqlite_thread import SqliteThread

#: Seconds to wait for whoever has locked the file.
_BUSY_TIMEOUT = 5.0
#: What SQLite says of a file that is damaged, or was never one of its own.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NAMES = [name.strip(' "') for name in COLUMNS.split(",")]
#: More rows than a page ever holds, for guessing how many there are where no index tells.
_ROWS_PER_PAGE = 100

_DANGLING = "FROM part WHERE final_id NOT IN (SELECT id FROM upload)"


@dataclass(frozen=True, slots=True)
class StateFault:
    """
    Why a state file cannot be used.

    Attributes:
        code: A stable name.
        message: What is wrong with it.
        is_lost: Whether it may be rebuilt; otherwise it is whole, and not for this version.
        has_nothing: Whether there is nothing in it that could be read.
    """

    code: str
    message: str
    is_lost: bool = True
    has_nothing: bool = False


def examine(path: Path) -> StateFault | None:
    """
    Return what is wrong with the state file, if anything; it is read from end to end. Blocks.

    A server may use it meanwhile.

    Raises:
        DataDirectoryError: It cannot be looked at: locked, or not for this user.
    """
    try:
        if path.stat().st_size == 0:
            return StateFault("state_empty", "is empty", has_nothing=True)
    except FileNotFoundError:
        return StateFault("state_missing", "is missing", has_nothing=True)
    try:
        with closing(_read_only(path)) as db:
            return _fault_of(db)
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            return StateFault("state_corrupt", f"is damaged ({error})")
        raise _cannot_look(path, error) from error


def open_to_read(path: Path) -> SqliteStore:
    """
    Return the store of a sound state file; what would change anything raises `StateError`.

    Raises:
        DataDirectoryError: It cannot be opened, or has to be migrated first.
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(closing(_read_only(path)))
            missing = sorted(known_steps() - _applied_steps(connection))
        except sqlite3.DatabaseError as error:
            raise _cannot_look(path, error) from error
        if missing:
            raise DataDirectoryError(
                f"The state file {path} was made by an earlier tusd_py (step {missing[0]} is to be"
                " done): start the server once, and look again."
            )
        stack.pop_all()
    thread = SqliteThread(connection, begin="BEGIN")
    return SqliteStore(thread, thread)


def count_dangling_parts(path: Path) -> int:
    """Return how many parts are noted of final uploads that are not there. Blocks."""
    with closing(_read_only(path)) as db:
        return int(db.execute(f"SELECT count(*) {_DANGLING}").fetchone()[0])


def remove_dangling_parts(path: Path) -> None:
    """Forget them. Blocks."""
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT)) as db, db:
        db.execute(f"DELETE {_DANGLING}")


def count_wrong_usage(path: Path) -> int:
    """Return for how many owners and addresses another use is noted than they have. Blocks."""
    with closing(_read_only(path)) as db:
        return usage.count_wrong(db)


def recount_usage(path: Path) -> None:
    """Note what they have. Blocks."""
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT)) as db, db:
        usage.recount(db)


def fold_in_log(path: Path) -> None:
    """Move what the write-ahead log holds into the state file, if that can be done. Blocks."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def salvage(damaged: Path, fresh: Path) -> int:
    """
    Copy every upload that can be read of *damaged* to *fresh*, and return how many. Blocks.

    Rows are read around pages that cannot be; those that make no sense are left out. Parts are
    noted as the final uploads themselves name them.

    Args:
        damaged: A state file that `examine` found damaged; it stays as it is.
        fresh: A migrated state file without uploads.
    """
    with closing(sqlite3.connect(fresh)) as target, target:
        return sum(_insert(target, upload) for upload in _readable(damaged))


# --- looking ---


def _read_only(path: Path, *, lenient: bool = False) -> sqlite3.Connection:
    """
    Return a connection that has read something; raises `sqlite3.DatabaseError`.

    Where it is *lenient*, whatever of the schema makes no sense is passed over.
    """
    wal = path.with_name(f"{path.name}-wal")
    try:
        return _connect(path, "mode=ro", lenient=lenient)
    except sqlite3.OperationalError as error:
        # Readers share memory in a file beside; where none can be made, nobody writes either.
        cannot_open = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN
        nothing_else = not wal.exists() or wal.stat().st_size == 0
        if cannot_open and nothing_else and not os.access(path.parent, os.W_OK):
            return _connect(path, "mode=ro&immutable=1", lenient=lenient)
        raise


def _connect(path: Path, query: str, *, lenient: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if lenient:
            # With this SQLite does not refuse a whole file for one trigger that it cannot read.
            connection.execute("PRAGMA writable_schema = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    except UnicodeDecodeError:
        # SQLite quotes what it complains of.
        connection.close()
        raise sqlite3.DatabaseError("malformed schema") from None
    return connection


def _fault_of(db: sqlite3.Connection) -> StateFault | None:
    complaints = [text for (text,) in db.execute("PRAGMA integrity_check(1)")]
    if complaints != ["ok"]:
        return StateFault("state_corrupt", f"is damaged ({complaints[0].splitlines()[-1]})")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if not tables:  # a first start that was cut short
        return StateFault("state_empty", "is empty", has_nothing=True)
    if not {"upload", "part"} <= tables:
        return StateFault("state_unknown", "holds no uploads of tusd-py")
    if later := sorted(_applied_steps(db) - known_steps()):
        message = f"was migrated by a later tusd_py (step {later[0]})"
        return StateFault("state_too_new", message, is_lost=False)
    return None


def _applied_steps(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM _sqlite_migrations")}


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # Some damage is told by other codes: a garbled schema, or text that is none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return code in _DAMAGED or "malformed" in str(error)


def _cannot_look(path: Path, error: sqlite3.DatabaseError) -> DataDirectoryError:
    return DataDirectoryError(
        f"The state file {path} cannot be read ({error}). Run this as the server's user, on a"
        " writable file system, and end whatever keeps the file locked."
    )


# --- salvaging ---


def _readable(damaged: Path) -> Iterator[Upload]:
    """Yield the uploads that can be read and make sense."""
    try:
        with closing(_read_only(damaged, lenient=True)) as db:
            db.text_factory = bytes  # what is no text must not end the reading
            columns = db.execute("PRAGMA table_info(upload)")
            present = {name.decode(errors="replace") for _, name, *_ in columns}
            selected = ", ".join(f'"{name}"' if name in present else "NULL" for name in _NAMES)
            if "id" in present:
                yield from filter(None, map(_sensible, _rows(db, selected)))
    except sqlite3.DatabaseError:
        return  # not even its first page


def _rows(db: sqlite3.Connection, selected: str) -> Iterator[Sequence[Any]]:
    """
    Yield every row that can be read, halving the range where one cannot.

    A damaged page so costs the rows on it, or below it, and some questions for each of them.
    """
    statement = (
        f"SELECT rowid, {selected} FROM upload NOT INDEXED WHERE rowid BETWEEN ? AND ?"
        " ORDER BY rowid"
    )
    ranges = [(1, _last_rowid(db))]
    while ranges:
        low, high = ranges.pop()
        try:
            for rowid, *row in db.execute(statement, (low, high)):
                low = max(low, rowid + 1)  # damage may lead back to rows that were read
                yield row
        except sqlite3.DatabaseError:
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]


def _last_rowid(db: sqlite3.Connection) -> int:
    for source in ("NOT INDEXED", "INDEXED BY upload_created_at"):
        try:
            found = db.execute(f"SELECT max(rowid) FROM upload {source}").fetchone()[0]
            return int(found or 0)
        except sqlite3.DatabaseError:
            continue
    return int(db.execute("PRAGMA page_count").fetchone()[0]) * _ROWS_PER_PAGE


def _sensible(row: Sequence[Any]) -> Upload | None:
    """Return the upload of a row, or None where no server can have written it."""
    try:
        upload = to_upload([each.decode() if isinstance(each, bytes) else each for each in row])
        parts = None if upload.concat is None else parse_concat(upload.concat).parts
    except (ValueError, TypeError, AttributeError, ProtocolError):
        return None
    return replace(upload, parts=parts or ()) if _adds_up(upload) else None


def _adds_up(upload: Upload) -> bool:
    # SQLite's columns hold what they are given, whatever their types say.
    said = (upload.metadata, upload.address, upload.path, upload.rejection)
    texts: Sequence[Any] = (upload.id, upload.owner, *(text or "" for text in said))
    numbers: Sequence[Any] = (upload.length or 0, upload.offset, upload.epoch)
    if not all(isinstance(text, str) for text in texts) or not is_upload_id(upload.id):
        return False
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        return False
    if upload.is_complete:
        return upload.offset == upload.length
    return upload.offset <= (MAX_LENGTH if upload.length is None else upload.length)


def _insert(db: sqlite3.Connection, upload: Upload) -> int:
    # A damaged file may have an id twice; what comes first is as good as what comes later.
    statement = f"INSERT OR IGNORE INTO upload ({COLUMNS}) VALUES ({PLACES})"
    added = db.execute(statement, to_row(upload))
    if added.rowcount > 0:
        db.executemany(INSERT_PART, to_part_rows(upload))
    return added.rowcount
