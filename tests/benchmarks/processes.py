"""Reads what processes cost, from /proc: CPU, memory, and what the rest of the machine did."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_TICKS = os.sysconf("SC_CLK_TCK")
_KERNEL_THREAD = 0x00200000
_PROC = Path("/proc")


class Measured(Protocol):
    """Something that runs as processes."""

    def pids(self) -> list[int]:
        """Return the processes, parents first."""
        ...


@dataclass(frozen=True, slots=True)
class _Stat:
    """What /proc/PID/stat says."""

    parent: int
    flags: int
    own: float
    reaped: float


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None  # it has just ended
    fields = text.rpartition(")")[2].split()
    user, system, child_user, child_system = (int(each) / _TICKS for each in fields[11:15])
    return _Stat(int(fields[1]), int(fields[6]), user + system, child_user + child_system)


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdigit()]  # noqa: PTH208 - cheap


def descendants(root: int) -> list[int]:
    """Return *root* and every process below it."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        if stat := _stat(pid):
            children.setdefault(stat.parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time of *pids* and of their children that have ended."""
    stats = [_stat(pid) for pid in pids]
    return sum(stat.own + stat.reaped for stat in stats if stat)


def resident_bytes(pids: list[int], *, peak: bool = False) -> int:
    """Return the memory that is resident now, or was at the *peak* since `reset_peak`."""
    name = "VmHWM:" if peak else "VmRSS:"
    total = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(name):
                total += int(line.split()[1]) * 1024
    return total


def reset_peak(pids: list[int]) -> None:
    """Let the peak begin anew."""
    for pid in pids:
        (_PROC / str(pid) / "clear_refs").write_text("5")


def _load_seconds() -> float:
    """Return the CPU time of this process and of the load programs that have ended."""
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _busy_seconds() -> float:
    """Return the time that all cores together were busy, or taken away by the host."""
    with (_PROC / "stat").open() as lines:
        user, nice, system, _, _, irq, softirq, steal = map(int, lines.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _kernel_seconds() -> float:
    """Return the CPU time of kernel threads: writing back what servers left in memory, mostly."""
    stats = [_stat(pid) for pid in _all_pids()]
    return sum(stat.own for stat in stats if stat and stat.flags & _KERNEL_THREAD)


class Window:
    """
    Accounts for time and CPU between its two ends.

    Attributes:
        seconds: How long it was open.
        server: CPU seconds of the server.
        load: CPU seconds of whoever made the load.
        kernel: CPU seconds of kernel threads, whoever caused them.
        others: CPU seconds of everybody else.
    """

    def __init__(self, server: Measured) -> None:
        self._server = server
        self.seconds = self.server = self.load = self.kernel = self.others = 0.0

    def __enter__(self) -> Self:
        self._before = self._read()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        server, load, kernel, busy = (
            after - before for after, before in zip(self._read(), self._before, strict=True)
        )
        self.server, self.load, self.kernel = server, load, kernel
        self.others = max(0.0, busy - server - load - kernel)

    def _read(self) -> tuple[float, float, float, float]:
        server = cpu_seconds(self._server.pids())
        return server, _load_seconds(), _kernel_seconds(), _busy_seconds()
