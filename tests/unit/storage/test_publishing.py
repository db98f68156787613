"""A publication may be cut short, repeated and taken back; files of others are never touched."""

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.examples import an_upload, upload_id
from tusd_py.errors import DataDirectoryError, PublishingUnavailable
from tusd_py.protocol.published_path import Template
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout
from tusd_py.storage.open_directory import OpenDirectory
from tusd_py.storage.publish_directory import STAGING, prepare_publish_directory
from tusd_py.storage.publisher import Published
from tusd_py.storage.publishing import LocalPublisher, Manner

CONTENT = b"content"
SIDECAR = Manner(describe=lambda upload: f"this is {upload.id}")
Make = Callable[..., LocalPublisher]


@pytest.fixture(params=["linked", "copied"])
def is_copied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether the data directory is on another file system, as the publisher sees it."""
    if request.param == "copied":

        def refuse(directory: OpenDirectory, path: Path, name: str) -> bool:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(OpenDirectory, "link", refuse)
    return bool(request.param == "copied")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of the uploads' bytes."""
    directory = tmp_path / "data"
    directory.mkdir()
    for number in (1, 2):
        (directory / upload_id(number)).write_bytes(CONTENT)
    return directory


@pytest.fixture
def published(tmp_path: Path) -> Path:
    directory = tmp_path / "published"
    directory.mkdir()
    return directory


@pytest.fixture
def make(data: Path, published: Path) -> Make:
    def make(template: str = "in/{id}", manner: Manner | None = None) -> LocalPublisher:
        return LocalPublisher(published, Template(template), data.joinpath, manner or Manner())

    return make


def whole(number: int = 1) -> Upload:
    return an_upload(number, length=len(CONTENT), offset=len(CONTENT))


def names(directory: Path) -> list[str]:
    found = [each for each in directory.rglob("*") if not each.is_dir()]
    return sorted(str(each.relative_to(directory)) for each in found)


async def test_publishing_again_finds_what_was_done(
    make: Make, published: Path, is_copied: bool
) -> None:
    for _ in range(2):  # another publisher is another process, after a crash
        for _ in range(2):
            assert await make("a", SIDECAR).publish(whole()) == Published("a", moved=False)
    assert (published / "a").read_bytes() == CONTENT
    assert (published / "a.info").read_text() == f"this is {upload_id(1)}"
    staged = f"{STAGING}/{upload_id(1)}"
    assert names(published) == [staged, f"{staged}.info", "a", "a.info"]
    await make("a", SIDECAR).settle(upload_id(1))
    assert names(published) == ["a", "a.info"]


async def test_name_that_was_found_is_kept_when_a_better_one_gets_free(
    make: Make, published: Path, is_copied: bool
) -> None:
    (published / "a").touch()
    assert (await make("a", SIDECAR).publish(whole())).path == "a-1"
    (published / "a").unlink()
    assert (await make("a", SIDECAR).publish(whole())).path == "a-1"
    assert [name for name in names(published) if name[0] != "."] == ["a-1", "a-1.info"]


async def test_sidecar_that_is_missing_is_put_beside_the_file(
    make: Make, published: Path, is_copied: bool
) -> None:
    await make("a").publish(whole())
    await make("a", SIDECAR).publish(whole())
    assert (published / "a.info").read_text() == f"this is {upload_id(1)}"
    (published / "a.info").unlink()
    (published / "a.info").write_text("somebody else's")
    assert (await make("a", SIDECAR).publish(whole())).path == "a"
    assert [name for name in names(published) if name[0] != "."] == ["a", "a.info"]


async def test_half_a_copy_is_made_anew(make: Make, published: Path, is_copied: bool) -> None:
    (published / STAGING).mkdir()
    for name in (upload_id(1), f"{upload_id(1)}.info"):
        (published / STAGING / name).write_bytes(b"hal")
    await make("a", SIDECAR).publish(whole())
    assert (published / "a").read_bytes() == CONTENT
    assert (published / "a.info").read_text() == f"this is {upload_id(1)}"


async def test_withdrawn_is_what_was_published_and_nothing_else(
    make: Make, published: Path, data: Path, is_copied: bool
) -> None:
    (published / "in").mkdir()
    (published / "in" / "a").touch()
    publisher = make("in/a", SIDECAR)
    await publisher.publish(whole(1))
    await publisher.publish(whole(2))
    (data / upload_id(1)).unlink()  # it was terminated meanwhile
    await publisher.withdraw(whole(1))
    await publisher.settle(upload_id(2))
    assert names(published) == ["in/a", "in/a-2", "in/a-2.info"]
    await publisher.withdraw(whole(1))
    await publisher.withdraw(replace(whole(1), path="not/there"))


async def test_sidecar_that_was_left_alone_is_withdrawn_too(
    make: Make, published: Path, is_copied: bool
) -> None:
    """The server was killed between the two names."""
    publisher = make("a", SIDECAR)
    await publisher.publish(whole())
    (published / "a").unlink()
    await publisher.withdraw(whole())
    assert names(published) == []


async def test_leftovers_are_what_is_not_settled(
    make: Make, published: Path, is_copied: bool
) -> None:
    publisher = make("a", SIDECAR)
    assert await publisher.leftovers() == []
    await publisher.publish(whole(1))
    await publisher.publish(whole(2))
    (published / STAGING / "somebody else's").touch()
    found = await publisher.leftovers()
    assert {each.upload_id for each in found} == {upload_id(1), upload_id(2)}
    assert all(each.since > 1_700_000_000 for each in found)
    for each in found:
        await publisher.settle(each.upload_id)
    assert await publisher.leftovers() == []


async def test_many_at_once_overwrite_nobody(make: Make, published: Path, data: Path) -> None:
    numbers = range(10, 40)
    for number in numbers:
        (data / upload_id(number)).write_bytes(b"%d" % number)
    uploads = [an_upload(number, length=2, offset=2) for number in numbers]
    publishers = [make("in/a.txt", SIDECAR) for _ in range(3)]
    await asyncio.gather(
        *(publishers[number % 3].publish(upload) for number, upload in enumerate(uploads))
    )
    files = [name for name in names(published) if name.endswith(".txt")]
    numbered = {name: int((published / name).read_text()) for name in files}
    assert sorted(numbered.values()) == list(numbers)
    for name, number in numbered.items():
        assert (published / f"{name}.info").read_text() == f"this is {upload_id(number)}"


async def test_place_of_its_own_counts_more_than_the_template(make: Make, published: Path) -> None:
    upload = replace(whole(), path="elsewhere/b")
    assert (await make().publish(upload)).path == "elsewhere/b"


async def test_setgid_of_a_directory_is_handed_down(make: Make, published: Path) -> None:
    os.chmod(published, 0o2750)  # noqa: PTH101, S103 - a moment's work, and what it is about
    await make("in/deep/{id}").publish(whole())
    for each in (published / "in", published / "in" / "deep"):
        assert each.stat().st_mode & 0o7777 == 0o2750


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EACCES, "let the server's user write there"),
        (errno.EMLINK, "hard links"),
        (errno.EIO, "the system's log"),
    ],
)
async def test_failure_says_what_to_do(
    make: Make, published: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "name")

    with monkeypatch.context() as patch:
        patch.setattr(OpenDirectory, "link_from", fail)
        with pytest.raises(PublishingUnavailable) as caught:
            await make().publish(whole())
    assert advice in caught.value.reason
    assert str(published) in caught.value.reason
    assert str(published) not in caught.value.message
    assert (await make().publish(whole())).path == f"in/{upload_id(1)}"


@pytest.mark.parametrize("content", [None, b"", CONTENT[:-1], CONTENT + b"more"])
async def test_upload_that_is_not_whole_is_not_published(
    make: Make, data: Path, published: Path, content: bytes | None
) -> None:
    (data / upload_id(1)).unlink()
    if content is not None:
        (data / upload_id(1)).write_bytes(content)
    with pytest.raises(PublishingUnavailable) as caught:
        await make().publish(whole())
    assert f"its data has {len(content or b'')} bytes of 7" in caught.value.reason
    assert names(published) == []


async def test_without_the_directory_nothing_is_left_over(make: Make, published: Path) -> None:
    os.rmdir(published)  # noqa: PTH106 - a moment's work
    publisher = make()
    assert await publisher.leftovers() == []
    await publisher.settle(upload_id(1))
    await publisher.withdraw(whole())


# --- The directory, at the start ---


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "server")
    prepare_directories(layout)
    return layout


def test_directory_is_made_and_tried_out(tmp_path: Path, layout: Layout) -> None:
    directory = tmp_path / "a" / "b"
    assert prepare_publish_directory(directory, layout) is True
    assert prepare_publish_directory(directory, layout) is True
    assert [each.name for each in directory.iterdir()] == [STAGING]
    assert names(directory) == []
    assert list(layout.uploads.iterdir()) == []


def test_other_file_system_is_noticed(layout: Layout, tmp_path: Path) -> None:
    other = Path("/dev/shm")  # noqa: S108 - a name that nobody else has
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system alone")
    directory = other / f"tusd-py-{tmp_path.name}-{os.getpid()}"
    try:
        assert prepare_publish_directory(directory, layout) is False
    finally:
        (directory / STAGING).rmdir()
        directory.rmdir()


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path, layout: Layout) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match="move away what is there"):
        prepare_publish_directory(tmp_path / "file" / "in", layout)


def test_file_system_without_hard_links_is_refused(
    tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), self)

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(DataDirectoryError, match="one that has hard links"):
        prepare_publish_directory(tmp_path / "in", layout)
    assert names(tmp_path / "in") == []
