"""Works with names in a directory that is open: what is swapped meanwhile leads nowhere else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Symbolic links are never followed: whoever may write there could lead out of it.
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class OpenDirectory:
    """
    A directory, open for as long as the context lasts. Every method blocks, and may raise OSError.

    Raises:
        OSError: It is not there, or no directory (also where it is a symbolic link).
    """

    def __init__(self, path: Path | str, *, within: "OpenDirectory | None" = None) -> None:
        self._fd: int = os.open(path, _DIRECTORY, dir_fd=None if within is None else within._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    @property
    def identity(self) -> tuple[int, int]:
        """Return what tells it from every other directory that there is."""
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    def make(self, name: str, mode: int) -> bool:
        """Make an inner directory of just this mode, unless something is there; tell which."""
        try:
            os.mkdir(name, mode, dir_fd=self._fd)
        except FileExistsError:
            return False
        with OpenDirectory(name, within=self) as made:
            # The umask does not count here; it may have got setgid from this one.
            os.fchmod(made._fd, os.fstat(made._fd).st_mode & 0o7000 | mode)
        return True

    def flush(self) -> None:
        """Make the names in it durable."""
        os.fsync(self._fd)

    def names(self) -> list[str]:
        """Return all names in it."""
        return os.listdir(self._fd)  # noqa: PTH208 - of a descriptor

    def status(self, name: str) -> os.stat_result | None:
        """Return what is known of a name, or None where it is free."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def links(self, name: str) -> int:
        """Return how many names the file of this one has; 0 where it is free."""
        status = self.status(name)
        return 0 if status is None else status.st_nlink

    def has_same(self, name: str, other: "OpenDirectory", other_name: str) -> bool:
        """Tell whether the name is there, and is the same file's as another one."""
        ours, theirs = self.status(name), other.status(other_name)
        return ours is not None and theirs is not None and os.path.samestat(ours, theirs)

    def link(self, path: Path, name: str) -> bool:
        """Give a file a name here; tell whether it has it, which it may have had before."""
        try:
            os.link(path, name, dst_dir_fd=self._fd, follow_symlinks=False)
        except FileExistsError:
            status = self.status(name)
            return status is not None and os.path.samestat(path.lstat(), status)
        return True

    def link_from(self, other: "OpenDirectory", other_name: str, name: str) -> bool:
        """Do so with a file of another directory."""
        try:
            os.link(
                *(other_name, name),
                src_dir_fd=other._fd,
                dst_dir_fd=self._fd,
                follow_symlinks=False,
            )
        except FileExistsError:
            return self.has_same(name, other, other_name)
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    @contextmanager
    def new_file(self, name: str, mode: int, *, strict: bool) -> Iterator[int]:
        """
        Yield a new file, in the place of one that is there, and make it durable with its name.

        Where that fails, nothing is left of it: others may need the room.
        """
        self.remove(name)
        file = os.open(name, _NEW_FILE, 0o600, dir_fd=self._fd)
        try:
            yield file
            os.fchmod(file, mode)
            if strict:
                os.fsync(file)
                self.flush()
        except BaseException:
            self.remove(name)
            raise
        finally:
            os.close(file)
