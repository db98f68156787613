"""The server's processes, as the kernel shows them."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.clients.running_server import START_SECONDS
from tests.faults.program import Program

#: What no fault here explains: bugs, and bytes that are missing although they were promised.
_BAD_SIGNS = ("Traceback", "A bug:", " bytes of ", "never retrieved", "not be rolled back")
#: How lines begin that show variables in a traceback.
_LOCALS = ("│ │", "│ ╭", "│ ╰")
_REPORTED = 150


class SoakServer(Program):
    """
    The server, whose log does not grow from start to start.

    Args:
        directory: Where its log is, and its data in a directory of that name.
        workers: How many processes serve.
        flags: More of its flags.

    Attributes:
        reports: What each of its lives printed that it should not have: tracebacks, losses.
    """

    def __init__(self, directory: Path, *flags: str, workers: int) -> None:
        super().__init__(directory, *flags, "--workers", str(workers))
        self.reports: list[str] = []
        self._workers = workers
        self._old_logs: list[Path] = []

    def start(self) -> None:
        """Start it with an empty log, and return once all workers are there."""
        self.look_through_log()
        if self._log.exists():
            self._old_logs.append(self._log.with_suffix(f".{len(self._old_logs)}"))
            self._log.replace(self._old_logs[-1])
        super().start()
        complete = wait_for(lambda: len(self.worker_pids()) == self._workers, START_SECONDS)
        assert complete, f"only {self.worker_pids()} serve:\n{super().log()}"

    def log(self) -> str:
        """Give what it printed since the start before the last one."""
        logs = [*self._old_logs[-1:], self._log]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def look_through_log(self) -> None:
        """Note what should not be in the log since the last start."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        for number, line in enumerate(lines):
            if any(sign in line for sign in _BAD_SIGNS):
                after = lines[number : number + 1000]
                told = [line for line in after if not line.startswith(_LOCALS)]
                self.reports.append("\n".join(told[:_REPORTED]))

    @property
    def has_ended(self) -> bool:
        """Tell whether its first process is gone although nobody ended it."""
        return self._process is not None and self._process.poll() is not None

    def worker_pids(self) -> list[int]:
        """Return the processes that serve now; none while it is down."""
        if self._process is None:
            return []
        with suppress(FileNotFoundError, ProcessLookupError):
            return super().worker_pids()
        return []

    def pids(self) -> list[int]:
        """Return all of its processes, the first one first."""
        return [self.pid, *self.worker_pids()]


class Handle:
    """A process that may be signalled even if it is gone and its number was given out again."""

    def __init__(self, pid: int) -> None:
        self._fd: int | None = None
        with suppress(ProcessLookupError):
            self._fd = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def signal(self, number: signal.Signals) -> None:
        """Send it *number*, if it is still there."""
        if self._fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)


@dataclass(frozen=True, slots=True)
class Holdings:
    """
    What a process has.

    Attributes:
        descriptors: How many of which kind.
        memory: Bytes, shared libraries among them.
    """

    descriptors: Counter[str]
    memory: int

    @property
    def total(self) -> int:
        """Return how many descriptors there are."""
        return self.descriptors.total()


def holdings_of(pid: int) -> Holdings:
    """Return what a process has now; nothing if it is gone."""
    descriptors: Counter[str] = Counter()
    memory = 0
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                descriptors[_kind_of(str(link.readlink()))] += 1
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                memory = int(line.split()[1]) * 1024
    return Holdings(descriptors, memory)


def _kind_of(target: str) -> str:
    """Return what a descriptor is: a socket, a pipe, an upload's file, or a file by its name."""
    if ":" in target:
        return target.partition(":")[0]
    path = Path(target.removesuffix(" (deleted)"))
    if path.parent.parent.name == "uploads":
        return "an upload's file"
    return path.name.partition("-")[0] if "(deleted)" in target else path.name


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until *condition* returns true; tell whether it did within *seconds*. Blocks."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
