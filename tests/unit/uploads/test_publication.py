"""The name, then the commit, then what is not needed goes; and what a crash kept is settled."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.examples import an_upload, upload_id
from tests.unit.uploads.conftest import World, make_world
from tusd_py.errors import PublishingUnavailable, UploadNotFound
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.publisher import Leftover, Published, Publisher

CHECKING = {"length": 3, "offset": 3, "state": UploadState.CHECKING, "expires_at": None}


class NotedPublisher(Publisher):
    """Publishes nothing, and notes what it was asked for."""

    def __init__(self) -> None:
        self.moves = False
        self.fails = False
        self.asked: list[str] = []
        self.kept: list[Leftover] = []
        self.world: World | None = None
        self.is_terminated_meanwhile = False

    async def publish(self, upload: Upload) -> Published:
        self.asked.append("publish")
        if self.fails:
            raise PublishingUnavailable("the volume is gone")
        if self.is_terminated_meanwhile and self.world is not None:
            await self.world.service.terminate(upload.id, "")
        return Published("in/a", self.moves)

    async def settle(self, upload_id: str) -> None:
        self.asked.append(f"settle {upload_id[-1]}")

    async def withdraw(self, upload: Upload) -> None:
        self.asked.append("withdraw")

    async def leftovers(self) -> list[Leftover]:
        return self.kept


@pytest.fixture
def publisher() -> NotedPublisher:
    return NotedPublisher()


@pytest.fixture
async def world(tmp_path: Path, publisher: NotedPublisher) -> AsyncIterator[World]:
    async with make_world(tmp_path, publisher=publisher) as world:
        publisher.world = world
        yield world


async def test_upload_stays_where_it_is_linked(world: World, publisher: NotedPublisher) -> None:
    upload = await world.finished(b"abc")
    assert (upload.state, upload.path) == (UploadState.FINISHED, "in/a")
    assert await world.data.size(upload.id) == 3
    assert publisher.asked == ["publish", f"settle {upload.id[-1]}"]
    assert world.event_names()[-1] == "UploadFinished"


async def test_data_of_what_is_moved_goes(world: World, publisher: NotedPublisher) -> None:
    publisher.moves = True
    upload = await world.finished(b"abc")
    assert upload.state is UploadState.MOVED
    assert await world.data.size(upload.id) is None


async def test_parts_are_not_published(world: World, publisher: NotedPublisher) -> None:
    assert (await world.finished(b"abc", concat="partial")).path is None
    assert publisher.asked == []


async def test_what_was_terminated_meanwhile_is_taken_back(
    world: World, publisher: NotedPublisher
) -> None:
    publisher.is_terminated_meanwhile = True
    upload = await world.finished(b"abc")
    assert publisher.asked == ["publish", "withdraw"]
    assert await world.found(upload) is None
    assert "UploadFinished" not in world.event_names()


async def test_what_could_not_be_published_goes_on_later(
    world: World, publisher: NotedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.fails = True
    upload = await world.finished(b"abc")
    assert upload.state is UploadState.CHECKING
    assert "the volume is gone" in {getattr(each, "reason", "") for each in caplog.records}
    publisher.fails = False
    assert (await world.finishing.begin(upload)).is_finished


async def test_what_a_crash_left_of_it_goes_with_an_upload(
    world: World, publisher: NotedPublisher
) -> None:
    await world.store(an_upload(1, **CHECKING), b"abc")
    await world.service.terminate(upload_id(1), "")
    assert publisher.asked == ["withdraw"]
    with pytest.raises(UploadNotFound):
        await world.service.show(upload_id(1))


async def test_leftovers_are_settled_once_they_are_over(
    world: World, publisher: NotedPublisher
) -> None:
    finished = {**CHECKING, "state": UploadState.FINISHED}
    await world.store(an_upload(1, **finished), b"abc")
    await world.store(an_upload(2, **{**finished, "state": UploadState.MOVED}), b"abc")
    now = world.clock()
    publisher.kept = [Leftover(upload_id(number), now) for number in (1, 2, 3)]
    publisher.kept.append(Leftover(upload_id(4), now - 86_401))
    await world.finishing.resume_all()
    assert publisher.asked == ["settle 1", "settle 2", "settle 4"]
    assert await world.data.size(upload_id(1)) == 3
    assert await world.data.size(upload_id(2)) is None


async def test_leftover_of_an_upload_that_is_not_finished_stays(
    world: World, publisher: NotedPublisher
) -> None:
    publisher.fails = True
    await world.store(an_upload(1, **CHECKING), b"abc")
    publisher.kept = [Leftover(upload_id(1), world.clock() - 100_000)]
    await world.finishing.resume_all()
    await world.finishing.close()
    assert publisher.asked == ["publish"]


async def test_path_that_was_wanted_stays_with_the_upload(world: World) -> None:
    upload = replace(an_upload(1, **CHECKING), path="wanted")
    await world.store(upload, b"abc")
    assert (await world.finishing.begin(upload)).path == "in/a"
