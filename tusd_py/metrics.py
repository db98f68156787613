"""
Counts what operators watch; until that is switched on, counts nothing and costs next to nothing.

Several processes count together through files of one directory. Its name has to be in the
environment before the client library is imported, which is why only `open_metrics` does that.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tusd_py.errors import TusError
from tusd_py.events import Event

#: Where prometheus_client looks for the directory that processes share.
DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
#: Files that are mapped into memory belong there: on a full disk, writing to one kills its process.
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only a directory of our own is used


class Metrics:
    """
    Is told what happens, on the event loop; this one takes no notice.

    Whatever becomes a label has few values: no id, address or path ever does.
    """

    def happened(self, event: Event) -> None:
        """Note what happened to an upload."""

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        """Note a response; *seconds* is how long it took, None where that is the client's doing."""

    def failed(self, error: TusError) -> None:
        """Note why a request was refused, or its transfer ended early."""

    def transfer_began(self) -> None:
        """Note that a body is being received."""

    def transfer_ended(self) -> None:
        """Note that it is no longer."""

    def watcher_came(self) -> None:
        """Note that somebody watches an upload."""

    def watcher_left(self) -> None:
        """Note that one watches no longer."""

    def received(self, count: int) -> None:
        """Note bytes of a body."""

    def connection_made(self) -> None:
        """Note a client that was let in."""

    def connection_lost(self) -> None:
        """Note that it is gone."""

    def connection_refused(self, limit: str) -> None:
        """Note a client that the setting *limit* did not let in."""

    def head_was_late(self) -> None:
        """Note a connection that was closed because a request's head did not come in time."""

    def hook_delivered(self) -> None:
        """Note that a hook was told something."""

    def hook_failed(self) -> None:
        """Note that one could not be told, and has to be told again."""

    def hooks_waiting(self, pending: int, dead: int) -> None:
        """Note how much is to be told still, and how much was given up."""

    def written(self) -> bytes:
        """
        Return all figures in the text format of Prometheus, those of every process together.

        It reads files: call it on a thread.
        """
        return b""


def open_metrics(*, enabled: bool) -> Metrics:
    """Return what counts for this process."""
    if not enabled:
        return Metrics()
    from tusd_py.prometheus import PrometheusMetrics  # noqa: PLC0415 - see above

    return PrometheusMetrics()


@contextmanager
def shared_metrics(data_dir: Path) -> Iterator[None]:
    """
    Let this process and all that it forks count together.

    The directory is named after *data_dir*, so that a server that was killed leaves at most this
    one behind, and the next one begins with it empty.

    Args:
        data_dir: The data directory, which is there and held by this server alone.
    """
    directory = _own_directory(data_dir)
    owner = os.getpid()
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked process leaves here, too, and the others go on
            del os.environ[DIRECTORY_VARIABLE]
            shutil.rmtree(directory, ignore_errors=True)


def forget_process(pid: int) -> None:
    """Count no longer what was open in a process that is gone; what it had counted up stays."""
    if DIRECTORY_VARIABLE in os.environ:
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see above

        mark_process_dead(pid)  # type: ignore[no-untyped-call] # it has no types


def _own_directory(data_dir: Path) -> Path:
    """Make an empty directory that nobody else could have prepared."""
    place = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    identity = data_dir.stat()
    path = place / f"tusd-py-metrics-{os.getuid()}-{identity.st_dev:x}-{identity.st_ino:x}"
    try:
        if path.lstat().st_uid == os.getuid() and not path.is_symlink():
            shutil.rmtree(path)
        path.mkdir(mode=0o700)
    except FileNotFoundError:
        path.mkdir(mode=0o700)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="tusd-py-metrics-", dir=place))
    return path
