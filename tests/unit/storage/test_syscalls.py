"""What the kernel does by halves is done in full, and what it cannot do is done otherwise."""

import ctypes
import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tusd_py.storage import syscalls

CONTENT = random.Random(6).randbytes(10_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


class Raising:
    """Fails as the kernel does."""

    def __init__(self, code: int) -> None:
        self._code = code

    def __call__(self, *_: object) -> int:
        raise OSError(self._code, os.strerror(self._code))


# --- write_all, read_all ---


def test_short_writes_are_continued(fd: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:999], offset))
    syscalls.write_all(fd, 5, memoryview(CONTENT))
    assert path.read_bytes() == bytes(5) + CONTENT


def test_write_that_writes_nothing_is_an_error_and_no_endless_loop(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)
    with pytest.raises(OSError, match="wrote nothing"):
        syscalls.write_all(fd, 0, memoryview(CONTENT))


def test_error_in_the_middle_of_a_write_comes_through(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def fill_up(fd: int, data: memoryview, offset: int) -> int:
        if offset >= 5000:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data[:1000], offset)

    monkeypatch.setattr(os, "pwrite", fill_up)
    with pytest.raises(OSError, match="full"):
        syscalls.write_all(fd, 0, memoryview(CONTENT))
    assert os.fstat(fd).st_size == 5000


def test_short_reads_are_continued(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    syscalls.write_all(fd, 0, memoryview(CONTENT))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real(fd, min(size, 777), offset))
    assert syscalls.read_all(fd, 0, 10_000) == CONTENT
    assert syscalls.read_all(fd, 100, 5000) == CONTENT[100:5100]
    assert syscalls.read_all(fd, 9000, 5000) == CONTENT[9000:]


# --- reserve, cut_off, flush ---


def test_reserved_space_is_there_and_the_size_stays(fd: int) -> None:
    if not syscalls.reserve(fd, 1 << 20):
        pytest.skip("this file system cannot reserve space")
    status = os.fstat(fd)
    assert status.st_size == 0
    assert status.st_blocks * 512 >= 1 << 20


def test_nothing_to_reserve_needs_no_call(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "_libc", None)
    assert syscalls.reserve(fd, 0) is True


def test_more_than_any_disk_has_is_refused_by_the_kernel(fd: int) -> None:
    with pytest.raises(OSError, match=r"\[Errno") as refusal:
        syscalls.reserve(fd, 2**62)
    assert refusal.value.errno in {errno.EFBIG, errno.ENOSPC}
    assert os.fstat(fd).st_blocks == 0


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_file_system_that_cannot_reserve_does_without(
    fd: int, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(syscalls, "_libc", FailingLibc(code))
    assert syscalls.reserve(fd, 100) is False


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_disk_without_room_says_so(fd: int, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(syscalls, "_libc", FailingLibc(code))
    with pytest.raises(OSError, match=r"\[Errno") as refusal:
        syscalls.reserve(fd, 100)
    assert refusal.value.errno == code


class FailingLibc:
    """A C library whose fallocate fails."""

    def __init__(self, code: int) -> None:
        self._code = code

    def fallocate(self, *_: object) -> int:
        ctypes.set_errno(self._code)
        return -1


@pytest.mark.parametrize(("end", "size"), [(0, 0), (4000, 4000), (10_000,) * 2, (99_999, 10_000)])
def test_cutting_off_never_adds(fd: int, end: int, size: int) -> None:
    syscalls.write_all(fd, 0, memoryview(CONTENT))
    syscalls.cut_off(fd, end)
    assert os.fstat(fd).st_size == size


def test_files_and_directories_are_flushed(fd: int, tmp_path: Path) -> None:
    syscalls.flush_file(fd)
    syscalls.flush_directory(tmp_path)
    with pytest.raises(OSError, match=r"\[Errno"):
        syscalls.flush_directory(tmp_path / "missing")


# --- copy_range ---


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "source", os.O_RDWR | os.O_CREAT)
    os.pwrite(opened, CONTENT, 0)
    yield opened
    os.close(opened)


def copied(source: int, target: int) -> bytes:
    syscalls.copy_range(source, target, 3, 9000)
    return os.pread(target, 20_000, 0)


def test_range_is_copied_to_its_place(source: int, fd: int) -> None:
    assert copied(source, fd) == bytes(3) + CONTENT[:9000]


def test_short_copies_are_continued(source: int, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(os, "copy_file_range", None)
    if real is None:
        pytest.skip("this system copies through the process")
    monkeypatch.setattr(
        os, "copy_file_range", lambda a, b, count, start, to: real(a, b, min(count, 7), start, to)
    )
    assert copied(source, fd) == bytes(3) + CONTENT[:9000]


@pytest.mark.parametrize(
    "code", [errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF]
)
def test_where_the_kernel_cannot_copy_the_process_does(
    source: int, fd: int, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "copy_file_range", Raising(code), raising=False)
    assert copied(source, fd) == bytes(3) + CONTENT[:9000]


def test_full_disk_is_not_taken_for_inability(
    source: int, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", Raising(errno.ENOSPC), raising=False)
    with pytest.raises(OSError, match=r"\[Errno") as refusal:
        copied(source, fd)
    assert refusal.value.errno == errno.ENOSPC


@pytest.mark.parametrize("kernel_copies", [True, False])
def test_source_that_ends_early_is_an_error(
    source: int, fd: int, monkeypatch: pytest.MonkeyPatch, kernel_copies: bool
) -> None:
    if not kernel_copies:
        monkeypatch.setattr(os, "copy_file_range", Raising(errno.EXDEV), raising=False)
    with pytest.raises(OSError, match="shorter than its upload"):
        syscalls.copy_range(source, fd, 0, 10_001)
