"""What will be rejected at the end is refused as early as that can be known, and no earlier."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.uploads.checks import EarlyCheck, refusal, until
from tests.unit.uploads.conftest import World, make_world
from tests.unit.uploads.fakes import ScriptedBody
from tests.unit.uploads.finals import create_final
from tusd_py.content.check import HEAD
from tusd_py.errors import ChecksumMismatch, ContentRefused, Disconnected, WasRejected
from tusd_py.protocol.checksum import Checksum
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.buffers import SMALL

BAD = b"bad" + bytes(HEAD)
GOOD = b"ok!" + bytes(HEAD)
SIZE = 10 * SMALL


def hates_bad(head: bytes) -> ContentRefused | None:
    return ContentRefused("It begins badly.") if head.startswith(b"bad") else None


@pytest.fixture
def check() -> EarlyCheck:
    check = EarlyCheck()
    check.early = hates_bad
    return check


@pytest.fixture
async def world(tmp_path: Path, check: EarlyCheck) -> AsyncIterator[World]:
    async with make_world(tmp_path, checks=[check]) as made:
        yield made


async def assert_rejected(world: World, upload: Upload) -> None:
    found = await until(world, upload, UploadState.REJECTED)
    assert found is not None
    assert found.rejection == "It begins badly."
    assert await world.data.size(upload.id) is None
    assert world.event_names()[-1] == "UploadRejected"


# --- At the creation ---


async def test_hopeless_upload_is_not_made(world: World, check: EarlyCheck) -> None:
    check.foreseen = refusal
    for attempt in (world.create(100), world.create(0), world.create(None)):
        with pytest.raises(ContentRefused):
            await attempt
    for body in (ScriptedBody(b"hello"), ScriptedBody(bytes(SIZE))):
        with pytest.raises(ContentRefused):
            await world.create_with(SIZE, body)
    assert world.verbs() == []
    assert await world.state.named("") == []


async def test_parts_are_not_judged_and_their_final_is(world: World, check: EarlyCheck) -> None:
    check.foreseen = refusal
    part = await world.finished(BAD, concat="partial")
    with pytest.raises(ContentRefused):
        await create_final(world, part)
    assert check.heads == []
    assert [each.id for each in await world.state.named("")] == [part.id]


async def test_length_that_is_declared_later_is_judged_then(
    world: World, check: EarlyCheck
) -> None:
    check.foreseen = lambda upload: refusal(upload) if (upload.length or 0) > 10 else None
    upload = await world.create(None)
    await world.append(upload, 0, b"hello")
    with pytest.raises(ContentRefused):
        await world.service.append(
            Append(upload.id, 5, Payload(None), 11), "", ScriptedBody(b" world")
        )
    found = await world.found(upload)
    assert found is not None
    assert (found.state, found.offset, found.length) == (UploadState.OPEN, 5, None)
    await world.service.append(Append(upload.id, 5, Payload(None), 10), "", ScriptedBody(b"world"))
    await until(world, upload, UploadState.FINISHED)


# --- The first bytes ---


@pytest.mark.parametrize("length", [SIZE, None])
async def test_first_bytes_end_the_upload(world: World, length: int | None) -> None:
    upload = await world.create(length)
    body = ScriptedBody(BAD, bytes(SIZE))
    with pytest.raises(ContentRefused, match="begins badly"):
        await world.append(upload, 0, body)
    assert not body.ended
    assert world.verbs("write") == []
    await assert_rejected(world, upload)
    with pytest.raises(WasRejected):
        await world.service.inspect(upload.id, "")


async def test_good_ones_let_it_go_on(world: World, check: EarlyCheck) -> None:
    content = GOOD + bytes(SIZE - len(GOOD))
    upload = await world.finished(content)
    assert upload.state is UploadState.FINISHED
    assert check.heads == [content[:HEAD]]
    assert check.seen == [content]


@pytest.mark.parametrize("size", [1, 1000, HEAD // 2])
async def test_they_may_come_in_many_requests(world: World, check: EarlyCheck, size: int) -> None:
    upload = await world.create(SIZE)
    upload = await world.append(upload, 0, BAD[: HEAD - 2 * size])
    offset = HEAD - size
    for at in range(upload.offset, offset, size):
        upload = await world.append(upload, at, BAD[at : at + size])
        assert check.heads == []
    with pytest.raises(ContentRefused):
        await world.append(upload, offset, BAD[offset:])
    assert check.heads == [BAD[:HEAD]]
    await assert_rejected(world, upload)


async def test_too_few_bytes_tell_nothing(world: World, check: EarlyCheck) -> None:
    upload = await world.create(SIZE)
    await world.append(upload, 0, BAD[: HEAD - 1])
    assert check.heads == []
    with pytest.raises(Disconnected):
        await world.append(upload, HEAD - 1, ScriptedBody(Disconnected()))
    assert check.heads == []


async def test_short_upload_is_looked_at_once_it_is_there(world: World, check: EarlyCheck) -> None:
    upload = await world.create(10)
    await world.append(upload, 0, b"bad")
    with pytest.raises(ContentRefused):
        await world.append(upload, 3, b" apples")
    assert check.heads == [b"bad apples"]
    assert check.seen == []
    await assert_rejected(world, upload)


async def test_what_comes_later_is_not_looked_at(world: World, check: EarlyCheck) -> None:
    upload = await world.create(SIZE)
    await world.append(upload, 0, GOOD)
    check.early = lambda _: ContentRefused("never")
    await world.append(upload, len(GOOD), BAD)
    assert len(check.heads) == 1


@pytest.mark.parametrize("size", [len(BAD), 2 * SMALL])
async def test_of_a_creation_with_bad_bytes_nothing_is_left(world: World, size: int) -> None:
    content = BAD + bytes(size - len(BAD))
    request = Create(SIZE, payload=Payload(size))
    with pytest.raises(ContentRefused):
        await world.service.create(request, "", ScriptedBody(content))
    assert await world.state.named("") == []
    assert [stored async for stored in world.data.stored()] == []


async def test_parts_may_begin_badly(world: World, check: EarlyCheck) -> None:
    part = await world.finished(BAD, concat="partial")
    assert part.state is UploadState.FINISHED
    assert check.heads == []


# --- With a checksum ---


def summed(content: bytes, of: bytes) -> Payload:
    """Return what announces *content*, with the checksum of what it was before the journey."""
    return Payload(len(content), Checksum("sha256", hashlib.sha256(of).digest()))


async def test_what_was_spoilt_on_its_way_is_not_rejected(world: World, check: EarlyCheck) -> None:
    upload = await world.create(SIZE)
    with pytest.raises(ChecksumMismatch):
        await world.service.append(Append(upload.id, 0, summed(BAD, GOOD)), "", ScriptedBody(BAD))
    found = await world.found(upload)
    assert found == replace(upload, epoch=found.epoch if found else 0)
    assert check.heads == []


async def test_what_was_not_is_looked_at_once_it_is_verified(
    world: World, check: EarlyCheck
) -> None:
    upload = await world.create(SIZE)
    with pytest.raises(ContentRefused):
        await world.service.append(Append(upload.id, 0, summed(BAD, BAD)), "", ScriptedBody(BAD))
    assert check.heads == [BAD[:HEAD]]
    await assert_rejected(world, upload)
