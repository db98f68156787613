"""
A program that publishes an upload, and is killed at one step after the other.

    python -m tests.faults.crashing_publisher DIRECTORY MANNER

Steps are the system calls that publishing makes, and the commits. Each run ends at a chosen step
with SIGKILL; the last run is the first that comes to its end. DIRECTORY has a directory for each,
named by its step. MANNER is one of `MANNERS`.
"""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.state.sqlite import SqliteStore
from tusd_py.storage.local import LocalStore
from tusd_py.storage.open_directory import OpenDirectory

CONTENT = b"every byte of it"
#: "filename a.txt"
METADATA = "filename YS50eHQ="
MANNERS: dict[str, dict[str, Any]] = {
    "linked and moved": {"publish": "move", "publish_sidecar": True},
    "copied": {"publish": "link", "publish_sidecar": True},
}


def settings_for(directory: Path, manner: str) -> Settings:
    return Settings(
        data_dir=directory / "data",
        disk_reserve=0,
        publish_directory=directory / "published",
        publish_path="in/{filename}",
        hooks_urls=("http://127.0.0.1:9/nobody-listens",),
        hooks_events=("post-finish",),
        **MANNERS[manner],
    )


def refuse_links(manner: str) -> None:
    """Let the data directory be as if it was on a file system of its own, for a copy."""

    def refuse(directory: OpenDirectory, path: Path, name: str) -> bool:
        if directory.status(name) is not None:
            return False
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if manner == "copied":
        setattr(OpenDirectory, "link", refuse)  # noqa: B010 - mypy would mind


class Killer:
    """Counts steps, once it is armed, and ends the process at the chosen one."""

    def __init__(self, last_step: int) -> None:
        self._left = last_step
        self.armed = False

    def step(self) -> None:
        if self.armed:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1

    def watch(self) -> None:
        """Let a step be before every call that changes something, and after every commit."""
        for name in ("open", "link", "unlink", "mkdir", "fchmod", "fsync", "pwrite"):
            setattr(os, name, self._stepping(getattr(os, name)))
        os.copy_file_range = self._stepping(os.copy_file_range)
        for store, names in ((SqliteStore, ("advance", "finish")), (LocalStore, ("remove",))):
            for name in names:
                setattr(store, name, self._stepping_around(getattr(store, name)))

    def _stepping(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **options: Any) -> Any:
            self.step()
            return call(*arguments, **options)

        return stepping

    def _stepping_around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def stepping(*arguments: Any, **options: Any) -> Any:
            self.step()
            result = await method(*arguments, **options)
            self.step()
            return result

        return stepping


async def work(settings: Settings, killer: Killer) -> None:
    async with open_service(settings, exclusive=True) as service:
        upload = await service.create(Create(len(CONTENT), METADATA), "", ScriptedBody(b""))
        killer.armed = True
        request = Append(upload.id, 0, Payload(len(CONTENT)))
        finished = await service.append(request, "", ScriptedBody(CONTENT))
        assert finished.is_finished, finished
        killer.armed = False


def run(directory: Path, manner: str, step: int) -> bool:
    """Work until that step in a process of its own; tell whether the work came to its end."""
    process = os.fork()
    if process == 0:
        killer = Killer(step)
        refuse_links(manner)
        killer.watch()
        asyncio.run(work(settings_for(directory, manner), killer))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"step {step} ended with {code}")
    return code == 0


def main() -> None:
    directory, manner, step = Path(sys.argv[1]), sys.argv[2], 0
    (directory / "0").mkdir()
    while not run(directory / str(step), manner, step):
        step += 1
        (directory / str(step)).mkdir()


if __name__ == "__main__":
    main()
