"""A file system of a test's own, which it may fill up, or copy as a power cut would leave it."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.clients.conftest import require

_PROGRAMS = ("mkfs.ext4", "losetup", "mount", "umount")
#: What goes to the disk is what was synced, and nothing by luck: by itself the journal would sync
#: every 5 seconds, and the tables that mkfs leaves out would be written in the background.
_OPTIONS = "noatime,commit=600,noinit_itable,errors=remount-ro"
_PATIENCE = 10.0


def require_loop_devices() -> None:
    """Go on only where a file can be mounted: as root, and with loop devices."""
    if os.geteuid() != 0:
        pytest.skip("root is missing: only root may mount a file system")
    programs = all(shutil.which(program) for program in _PROGRAMS)
    require("mkfs.ext4 and mount (of e2fsprogs, util-linux, mount)", programs)
    found = subprocess.run(["losetup", "--find"], capture_output=True, check=False)  # noqa: S607 - wherever it is
    require("a free loop device", found.returncode == 0)


class LoopFileSystem:
    """
    An ext4 file system on a loop device, mounted while the context lasts.

    Args:
        image: The file that holds it; made here unless it is there.
        directory: Where to mount it.
        size: Bytes of a new one; the file takes only what is used of them.
    """

    def __init__(self, image: Path, directory: Path, *, size: int = 0) -> None:
        self.directory = directory
        self._image = image
        self._device = ""
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(size)
            lazily = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
            _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazily, str(image))

    def __enter__(self) -> Self:
        self.directory.mkdir(exist_ok=True)
        self._device = _run("losetup", "--find", "--show", str(self._image)).strip()
        try:
            _run("mount", "-t", "ext4", "-o", _OPTIONS, self._device, str(self.directory))
        except BaseException:
            _run("losetup", "--detach", self._device)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            _unmount(self.directory)
        finally:
            _run("losetup", "--detach", self._device)

    def copy(self, target: Path) -> None:
        """
        Copy the disk as it is, without what the kernel has not written to it.

        Nobody may be writing: a copy that overlapped with a write would be no state that the disk
        ever had, and is made again.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            before = self._writes()
            _run("cp", "--sparse=auto", str(self._image), str(target))
            if self._writes() == before:
                return
            assert time.monotonic() < deadline, "the disk does not come to rest"

    def fail(self) -> None:
        """Let the kernel take the disk for damaged: from now on nothing can be written to it."""
        device = Path(self._device).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("damaged")

    def _writes(self) -> tuple[str, ...]:
        """Return the kernel's count of writes to the device: those done, and those under way."""
        fields = Path(f"/sys/block/{Path(self._device).name}/stat").read_text().split()
        return (fields[4], fields[8])


@contextmanager
def mounted_tmpfs(directory: Path, *, size: int) -> Iterator[None]:
    """Mount a file system without a disk, for as long as the context lasts."""
    directory.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory))
    try:
        yield
    finally:
        _unmount(directory)


def remount_read_only(directory: Path) -> None:
    """Let nothing be written to the file system any more."""
    remount(directory, "ro")


def remount(directory: Path, mode: str) -> None:
    """Let the file system be written to (rw), or only be read (ro)."""
    _run("mount", "-o", f"remount,{mode}", str(directory))


def _unmount(directory: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _try("umount", str(directory)):
        # Whoever was killed a moment ago may not have let go of everything.
        assert time.monotonic() < deadline, f"{directory} cannot be unmounted"
        time.sleep(0.05)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _try(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
