"""Makes a data directory, and keeps other servers off it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tusd_py.errors import DataDirectoryError
from tusd_py.storage import syscalls
from tusd_py.storage.layout import Layout


def prepare_directories(layout: Layout) -> None:
    """
    Make the data directory and its shards, durably; readable by the server's user alone.

    Raises:
        DataDirectoryError: One cannot be made.
    """
    try:
        if not layout.root.exists():
            layout.root.mkdir(parents=True, mode=0o750)
            syscalls.flush_directory(layout.root.resolve().parent)
        for directory in (layout.uploads, *layout.shards()):
            directory.mkdir(exist_ok=True, mode=0o700)
        syscalls.flush_directory(layout.uploads)
        syscalls.flush_directory(layout.root)
    except OSError as error:
        raise DataDirectoryError(
            f"The data directory {layout.root} cannot be used ({error.strerror}). Make it"
            " writable for this user, or name another one with --data-dir."
        ) from error


@contextmanager
def only_server(layout: Layout) -> Iterator[None]:
    """
    Keep other servers off the data directory; the kernel ends this with the process.

    Raises:
        DataDirectoryError: Another server is there.
    """
    with layout.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryError(
                f"Another server uses the data directory {layout.root}. Stop it first, or name"
                " another directory with --data-dir."
            ) from None
        yield
