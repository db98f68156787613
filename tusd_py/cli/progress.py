"""Shows how an upload goes: a bar where a person watches, else only what is out of the ordinary."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from tusd_py.cli.output import Failure, printable, say
from tusd_py.cli.uploader import Watcher


class _Bar:
    """Draws bytes, rate and time left."""

    def __init__(self, progress: Progress, name: str, size: int) -> None:
        self._progress = progress
        self._name = name
        self._size = size
        self._task: TaskID | None = None

    def on_offset(self, offset: int) -> None:
        if self._task is None:
            # Begun here, so that what an earlier call sent does not count as speed.
            self._task = self._progress.add_task(self._name, total=self._size, completed=offset)
        self._progress.update(self._task, completed=offset)

    def on_retry(self, failure: Failure, seconds: float) -> None:
        self._progress.console.print(Text(_retry_sentence(self._name, failure, seconds)))


class _Line:
    """Writes a line for each retry, and nothing else."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_offset(self, offset: int) -> None:
        pass

    def on_retry(self, failure: Failure, seconds: float) -> None:
        say(_retry_sentence(self._name, failure, seconds))


def _retry_sentence(name: str, failure: Failure, seconds: float) -> str:
    return printable(f"{name}: {failure.message}; trying again in {seconds:.0f} s")


@contextmanager
def watcher_of(name: str, size: int, *, quiet: bool) -> Iterator[Watcher]:
    """Return the watcher of an upload of *size* bytes; *quiet* ones draw no bar."""
    if quiet or not sys.stderr.isatty():
        yield _Line(name)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,  # The line with the URL takes its place.
    ) as progress:
        yield _Bar(progress, printable(name), size)
