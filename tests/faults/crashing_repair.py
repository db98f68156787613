"""
A program that repairs a data directory, and is killed at one step after the other.

    python -m tests.faults.crashing_repair DAMAGED DIRECTORY

Steps are what changes files, and the commits. Each run repairs a copy of DAMAGED, below DIRECTORY
and named by the step it is killed at; the last run is the first that comes to its end.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.deaths import came_to_its_end
from tusd_py.config.model import Settings
from tusd_py.repair import verify
from tusd_py.state import salvage
from tusd_py.state.sqlite import SqliteStore


class Steps:
    """Counts steps, and ends the process before the chosen one."""

    def __init__(self, last: int) -> None:
        self._left = last

    def take(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return *call* as a step."""

        def counted(*args: Any, **more: Any) -> Any:
            self.take()
            return call(*args, **more)

        return counted


def watch(steps: Steps) -> None:
    """Let everything that changes files be a step."""
    for name in ("fsync", "link", "replace", "rename", "unlink", "mkdir", "setxattr", "chmod"):
        setattr(os, name, steps.counting(getattr(os, name)))
    shutil.copy2 = steps.counting(shutil.copy2)
    salvage.fold_in_log = steps.counting(salvage.fold_in_log)
    salvage.salvage = steps.counting(salvage.salvage)
    for name in ("create", "remove", "rewind", "close"):
        setattr(SqliteStore, name, steps.counting(getattr(SqliteStore, name)))


def repair(directory: Path, step: int) -> None:
    """Repair until that step."""
    watch(Steps(step))
    settings = Settings(data_dir=directory, checkpoint_bytes=1)
    report = asyncio.run(verify(settings, repairs=True, on_progress=lambda _: None))
    assert report.is_clean


def main() -> None:
    damaged, directory = Path(sys.argv[1]), Path(sys.argv[2])
    step, done = -1, False
    while not done:
        step += 1
        shutil.copytree(damaged, directory / str(step))
        done = came_to_its_end(partial(repair, directory / str(step), step), step)


if __name__ == "__main__":
    main()
