"""Makes a data directory, and keeps other servers off it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tusd_py.errors import DataDirectoryError
from tusd_py.file_lock import lock_within, try_lock
from tusd_py.storage import syscalls
from tusd_py.storage.layout import Layout

#: Seconds until the workers of a server that was killed have followed it.
_LAST_WORKERS_END_WITHIN = 1.0


def prepare_directories(layout: Layout) -> None:
    """
    Make the data directory, durably; its files are for the server's user alone.

    Raises:
        DataDirectoryError: One cannot be made.
    """
    try:
        if not layout.root.exists():
            layout.root.mkdir(parents=True, mode=0o750)
            syscalls.flush_directory(layout.root.resolve().parent)
        for directory in (layout.uploads, layout.locks):
            directory.mkdir(exist_ok=True, mode=0o700)
        for file in (layout.lock_file, layout.state_lock_file, layout.housekeeping_lock_file):
            file.touch(mode=0o600)
        syscalls.flush_directory(layout.root)
    except OSError as error:
        raise DataDirectoryError(
            f"The data directory {layout.root} cannot be used ({error.strerror}). Make it"
            " writable for this user, or name another one with --data-dir."
        ) from error


def refuse_lost_state(layout: Layout) -> None:
    """
    Refuse a directory with uploads but without the state file that owns them.

    A new state file would make every one of them look like nobody's, and sweeping would remove
    them; so this is asked before one is made.

    Raises:
        DataDirectoryError: The state file is missing, or empty, beside uploads with bytes.
    """
    with suppress(FileNotFoundError):
        if layout.state_file.stat().st_size > 0:
            return
    uploads = sum(path.stat().st_size > 0 for shard in layout.shards() for path in shard.iterdir())
    if uploads:
        raise DataDirectoryError(
            f"The data directory {layout.root} holds {uploads} uploads, but its state file is"
            " missing. Restore state.sqlite3 from a backup, or let `tusd-py verify --repair` make"
            " one of the data; or move the uploads directory away to begin with an empty one."
        )


@contextmanager
def only_server(layout: Layout) -> Iterator[None]:
    """
    Keep other servers off the data directory; the kernel ends this with the last process.

    Processes that are forked meanwhile share it. Blocks for a moment where another server is: one
    that was just killed leaves workers that are about to end.

    Raises:
        DataDirectoryError: Another server is there.
    """
    with layout.lock_file.open("a") as lock:
        if not lock_within(lock, _LAST_WORKERS_END_WITHIN, look_again=0.01):
            raise DataDirectoryError(
                f"Another server uses the data directory {layout.root}. Stop it first, or name"
                " another directory with --data-dir."
            )
        yield


class Housekeeping:
    """Says which process of a server keeps house: the first that asks, until it ends."""

    def __init__(self, layout: Layout) -> None:
        self._lock = layout.housekeeping_lock_file.open("a")

    def is_ours(self) -> bool:
        """Take the task, if no other process has it."""
        return try_lock(self._lock)

    def close(self) -> None:
        """Leave the task to others."""
        self._lock.close()
