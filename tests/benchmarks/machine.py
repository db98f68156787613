"""Names the machine, and brings it into a state in which figures mean something."""

import os
import platform
import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import tusd_py

_PACKAGES = ("aiohttp", "uvloop")
_BLOCK = 1024 * 1024
#: Much more than that is on its way to the disk while it is still being written.
_MOST_WARM = 1_500_000_000


def describe_machine(directory: Path) -> dict[str, str]:
    """Return what a reader has to know to compare: hardware, kernel, file system, versions."""
    memory = re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*: *(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": file_system_of(directory),
        "tusd_py": tusd_py.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(
            [*(f"{name} {version(name)}" for name in _PACKAGES), f"SQLite {sqlite3.sqlite_version}"]
        ),
        "load before": "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg()),
    }


def file_system_of(directory: Path) -> str:
    """Return type and mount options of the file system that holds *directory*."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, options = line.split()[:4]
        if directory.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, f"{kind} ({options})")
    return best[1]


def warm_page_cache(directory: Path, size: int) -> None:
    """
    Write *size* bytes to a file in *directory* and remove it, before the disk has seen it.

    A virtual machine's host takes free memory back, and gives it again page by page, which makes
    the first use of a page several times slower than any later one: 1.0 instead of 0.3 seconds of
    CPU for a GB. What was cached last is what the kernel uses next, so whoever writes now finds
    pages that are there. (Touching and freeing anonymous memory does the opposite: those pages go
    to the far end of the kernel's lists, and the cold ones come first.)
    """
    block = bytes(_BLOCK)
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(min(size, _MOST_WARM) // _BLOCK):
            file.write(block)


class LoopFileSystem:
    """
    Makes a fresh ext4 in a file, as often as asked.

    A file system that has just seen thousands of files deleted makes new ones slowly (without a
    journal: ten times), so whoever comes second would measure what the first one left.
    """

    def __init__(self, parent: Path, size: int) -> None:
        self._parent = parent
        self._size = size

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """
        Lend an empty, mounted file system.

        Raises:
            OSError, subprocess.SubprocessError: It cannot be made: that takes root, mkfs.ext4
                and loop devices.
        """
        with tempfile.TemporaryDirectory(dir=self._parent, prefix="loop-") as directory:
            image, point = Path(directory, "image"), Path(directory, "mounted")
            point.mkdir()
            with image.open("wb") as file:
                file.truncate(self._size)
            _run("mkfs.ext4", "-q", "-F", str(image))
            # Direct, so that a flush inside is a flush of the disk, and no page is cached twice.
            device = _run("losetup", "--find", "--show", "--direct-io=on", str(image))
            try:
                _run("mount", device, str(point))
                try:
                    yield point
                finally:
                    _run("umount", str(point))
            finally:
                _run("losetup", "--detach", device)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
