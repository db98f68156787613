"""Long writes may bypass the page cache, and the file holds the same bytes either way."""

import errno
import fcntl
import mmap
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tusd_py.storage.open_file import DIRECT_FROM, OpenFile

PAGE = mmap.PAGESIZE
SENT = random.Random(11).randbytes(2 * DIRECT_FROM + 3 * PAGE + 17)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "upload"
    made.touch()
    return made


@pytest.fixture
def aligned() -> Iterator[memoryview]:
    """What the writer's buffers are: whole pages."""
    with closing(mmap.mmap(-1, len(SENT) + PAGE)) as pages, memoryview(pages) as view:
        view[: len(SENT)] = SENT
        yield view


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("offset", [0, PAGE, 100])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("size", [1, DIRECT_FROM - 1, DIRECT_FROM, DIRECT_FROM + 5, len(SENT) - 1])
def test_file_holds_what_was_written(
    path: Path, aligned: memoryview, direct: bool, offset: int, shift: int, size: int
) -> None:
    with closing(OpenFile(path, direct=direct)) as file, aligned[shift : shift + size] as data:
        file.write(offset, data)
        file.flush()
        assert file.read(offset, size) == SENT[shift : shift + size]
    assert path.read_bytes() == bytes(offset) + SENT[shift : shift + size]


@pytest.mark.parametrize("offset", [0, 1, 100, PAGE - 1, PAGE])
def test_all_whole_pages_bypass_the_page_cache_wherever_a_chunk_begins(
    path: Path, aligned: memoryview, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    real, through = os.pwrite, list[tuple[int, int]]()

    def note(fd: int, data: memoryview, at: int) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            through.append((at, len(data)))
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", note)
    size = DIRECT_FROM + PAGE + 17
    with (
        closing(OpenFile(path, direct=True)) as file,
        # As the writer has it: in its page of memory as in that of the file.
        aligned[offset % PAGE : offset % PAGE + size] as data,
    ):
        file.write(offset, data)
        assert file.read(offset, size) == data
    assert all(length < PAGE for _, length in through)
    assert len(through) <= 2


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_file_system_that_cannot_bypass_the_page_cache_is_written_through_it(
    path: Path, aligned: memoryview, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "O_DIRECT", 0)
    real, calls = os.pwrite, []

    def refuse_first(fd: int, data: memoryview, offset: int) -> int:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(code, os.strerror(code))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", refuse_first)
    with closing(OpenFile(path, direct=True)) as file, aligned[: len(SENT)] as data:
        file.write(0, data)
        file.write(0, data)
    assert path.read_bytes() == SENT
    assert len(set(calls)) == 2  # it was not tried again


def test_short_direct_write_is_continued(
    path: Path, aligned: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "O_DIRECT", 0)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:99_999], at))
    with closing(OpenFile(path, direct=True)) as file, aligned[: len(SENT)] as data:
        file.write(0, data)
    assert path.read_bytes() == SENT


def test_full_disk_comes_through(
    path: Path, aligned: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    file = OpenFile(path, direct=True)
    with closing(file), aligned[: len(SENT)] as data, pytest.raises(OSError, match="full"):
        file.write(0, data)


def test_nothing_is_opened_before_it_is_needed_nor_made(tmp_path: Path) -> None:
    file = OpenFile(tmp_path / "missing", direct=True)
    with closing(file), pytest.raises(FileNotFoundError):
        file.read(0, 1)
    assert not (tmp_path / "missing").exists()


def test_closing_lets_go_of_both_descriptors(path: Path, aligned: memoryview) -> None:
    before = descriptors()
    with closing(OpenFile(path, direct=True)) as file, aligned[: len(SENT)] as data:
        file.write(0, data)
    file.close()
    assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
