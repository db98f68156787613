"""Beside an upload's bytes stands whose they are, as far as the file system has room."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attributes import require_attributes
from tests.contracts.examples import THEN, a_final, an_upload, upload_id
from tusd_py.protocol.upload import Upload
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.storage.witness import ATTRIBUTE, bear_witness, read_witness

METADATA = "filename " + "bmFtZQ==" * 10
LARGE = 10 * 2**20


@pytest.fixture(autouse=True)
def attributes(tmp_path: Path) -> None:
    require_attributes(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / upload_id(1)
    path.touch()
    return path


def as_created(upload: Upload) -> Upload:
    """Return what is known of an upload when it is created."""
    return Upload(
        id=upload.id,
        owner=upload.owner,
        length=upload.length,
        metadata=upload.metadata,
        concat=upload.concat,
        parts=upload.parts,
        created_at=upload.created_at,
        touched_at=upload.created_at,
    )


@pytest.mark.parametrize(
    "upload",
    [
        an_upload(1),
        an_upload(1, owner="ann"),
        an_upload(1, length=None),
        an_upload(1, length=0, owner="ä\U0001f600\x00\n\"'"),
        an_upload(1, length=LARGE, metadata=METADATA, owner="x" * 100),
        an_upload(1, length=None, metadata=METADATA),
        an_upload(1, length=10, metadata="name YQ=="),
        an_upload(1, length=2**63 - 1, metadata=""),
        an_upload(1, concat="partial"),
        an_upload(1, concat="partial", metadata=METADATA, length=LARGE),
        a_final(1, 2, 3, owner="ann"),
        a_final(1, 2, length=7, metadata=METADATA),
    ],
)
def test_what_is_known_is_read_back(file: Path, upload: Upload) -> None:
    bear_witness(file, upload)
    assert read_witness(file) == as_created(upload)


async def test_creation_writes_it_and_a_length_that_comes_later_too(
    store: LocalStore, layout: Layout
) -> None:
    upload = an_upload(1, length=None, owner="ann")
    await store.allocate(upload.id, None, witness=upload)
    assert read_witness(layout.file_of(upload.id)) == as_created(upload)
    later = an_upload(1, length=12, owner="ann")
    await store.bear_witness(later)
    assert read_witness(layout.file_of(upload.id)) == as_created(later)


def stored(file: Path) -> int:
    return len(os.getxattr(file, ATTRIBUTE))


@pytest.mark.parametrize("length", [10, 64 * 1024 - 1])
def test_small_upload_takes_no_block_of_the_disk_for_its_metadata(file: Path, length: int) -> None:
    bear_witness(file, an_upload(1, length=length, owner="x" * 30, metadata=METADATA))
    assert stored(file) <= 64
    known = read_witness(file)
    assert known is not None
    assert (known.owner, known.length, known.metadata) == ("x" * 30, length, None)


def test_owner_is_worth_a_block_whatever_the_size(file: Path) -> None:
    bear_witness(file, an_upload(1, length=1, owner="x" * 200))
    known = read_witness(file)
    assert known is not None
    assert known.owner == "x" * 200


def limited(most: int, code: int) -> Callable[..., None]:
    """Return what sets attributes of at most so many bytes."""
    real = os.setxattr

    def set_attribute(file: Any, name: str, value: bytes) -> None:
        if len(value) > most:
            raise OSError(code, os.strerror(code))
        real(file, name, value)

    return set_attribute


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EDQUOT])
def test_what_does_not_fit_is_left_out(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "setxattr", limited(70, code))
    bear_witness(file, an_upload(1, length=LARGE, owner="ann", metadata=METADATA))
    known = read_witness(file)
    assert known is not None
    assert (known.owner, known.length, known.metadata) == ("ann", LARGE, None)
    bear_witness(file, a_final(1, *range(100), owner="ann", length=9))
    known = read_witness(file)
    assert known is not None
    assert (known.owner, known.length, known.is_final, known.parts) == ("ann", 9, True, ())


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOSPC, errno.EPERM, errno.EIO])
async def test_file_system_without_attributes_does_without(
    store: LocalStore, layout: Layout, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "setxattr", limited(-1, code))
    await store.allocate(upload_id(1), 10, witness=an_upload(1))
    assert read_witness(layout.file_of(upload_id(1))) is None


def test_system_without_attributes_does_without(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "setxattr")
    monkeypatch.delattr(os, "getxattr")
    bear_witness(file, an_upload(1))
    assert read_witness(file) is None


def test_file_that_cannot_be_asked_is_no_file_without_witness(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "getxattr", fail)
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        read_witness(file)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"7",
        b"null",
        b"[]",
        b"[1]",
        b'[2,"ann",10,1700000000]',
        b'["1","ann",10,1700000000]',
        b"[1,null,10,1700000000]",
        b"[1,5,10,1700000000]",
        b'[1,"ann","10",1700000000]',
        b'[1,"ann",-1,1700000000]',
        b'[1,"ann",9223372036854775808,1700000000]',
        b'[1,"ann",10,null]',
        b'[1,"ann",10,"today"]',
        b'[1,"ann",10,1700000000,"whole"]',
        b'[1,"ann",10,1700000000,"final;/files/x"]',
        b'[1,"ann",10,1700000000,7]',
        b'[1,"ann",10,1700000000,null,["x"]]',
    ],
)
def test_what_no_server_wrote_is_no_witness(file: Path, value: bytes) -> None:
    os.setxattr(file, ATTRIBUTE, value)
    assert read_witness(file) is None


def test_it_can_be_read_with_the_tools_of_the_system(file: Path) -> None:
    bear_witness(file, an_upload(1, owner="ann", metadata="name YQ=="))
    known = json.loads(os.getxattr(file, "user.tusd_py"))
    assert known == [1, "ann", 100, int(THEN), None, "name YQ=="]
