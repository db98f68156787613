"""Opens the state file, or says why it cannot be."""

import asyncio
import errno
import os
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tusd_py.errors import DataDirectoryError
from tusd_py.state import first_look
from tusd_py.state.migrations import migrate
from tusd_py.state.outbox import Recording
from tusd_py.state.sqlite import SqliteStore
from tusd_py.state.sqlite_thread import SqliteThread
from tusd_py.state.write_turn import WriteTurn

#: Bytes that must be free: what processes share has 32 KiB to begin with, beside the log.
_ROOM_TO_OPEN = 2**20
#: How long one process waits for another's transaction, in seconds.
_BUSY_TIMEOUT = 10.0


async def open_sqlite(
    path: Path,
    *,
    strict: bool,
    create: bool = True,
    recording: Recording | None = None,
    keeps_addresses: bool = False,
) -> SqliteStore:
    """
    Open the state file, migrating it as needed.

    Args:
        path: The file; its directory exists.
        create: Whether to make it where it is missing.
        strict: Flush at every commit (synchronous=FULL); otherwise a power cut may take the
            last commits with it, while the file stays whole.
        recording: Which changes are told to whom; none to nobody by default.
        keeps_addresses: Whether complete uploads keep the address that they came from.

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
        keeps_addresses=keeps_addresses,
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
        _switch_to_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if strict else 'NORMAL'}")
        stack.pop_all()  # it is of use, and the caller's
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Of processes that do this at once to a new file SQLite lets some fail instead of wait.
    deadline = time.monotonic() + _BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < _ROOM_TO_OPEN
    except OSError:
        return False
