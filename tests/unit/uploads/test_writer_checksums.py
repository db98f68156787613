"""A chunk with a checksum counts whole or not at all."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.uploads.conftest import POLICY, World, make_world
from tests.unit.uploads.fakes import FULL, ScriptedBody, failing
from tusd_py.errors import (
    ChecksumMismatch,
    Disconnected,
    Displaced,
    InvalidHeader,
    ProtocolError,
    TusError,
    UnsupportedChecksumAlgorithm,
    UploadTooLarge,
)
from tusd_py.protocol.checksum import ALGORITHMS, Checksum, format_checksum, parse_checksum
from tusd_py.protocol.extensions import Extension
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.upload import Upload
from tusd_py.uploads.buffers import LARGE, SMALL
from tusd_py.uploads.transfer import Checkpoints

CONTENT = random.Random(9).randbytes(4 * SMALL)
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The service with checkpoints so frequent that any chunk would meet some."""
    async with make_world(tmp_path, checkpoints=Checkpoints(1, 1e9)) as made:
        yield made


def checksum_of(algorithm: str, content: bytes) -> str:
    hasher = Checksum(algorithm, b"").hasher()
    hasher.update(memoryview(content))
    return format_checksum(algorithm, hasher.digest())


def body(
    content: bytes, *more: TusError | asyncio.Event, trailer: str | None = None
) -> ScriptedBody:
    trailers = {} if trailer is None else {"Upload-Checksum": trailer}
    return ScriptedBody(content[:7], content[7:], *more, trailers=trailers)


async def append(
    world: World,
    upload: Upload,
    sent: ScriptedBody,
    checksum: str | None = None,
    *,
    follows: bool = False,
    length: int | None = None,
) -> Upload:
    parsed = None if checksum is None else parse_checksum(checksum, ALGORITHMS)
    payload = Payload(None, parsed, follows)
    return await world.service.append(Append(upload.id, 0, payload, length), "", sent)


async def assert_untouched(world: World, upload: Upload) -> None:
    assert await world.found(upload) == upload
    assert world.verbs("advance") == []
    again = await world.append(upload, 0, CONTENT)
    assert again.offset == len(CONTENT)
    assert await world.data.content(upload.id) == CONTENT


@each_algorithm
async def test_right_checksum_lets_the_chunk_count_at_once(world: World, algorithm: str) -> None:
    upload = await world.create(len(CONTENT))
    checksum = checksum_of(algorithm, CONTENT)
    appended = await append(world, upload, body(CONTENT), checksum)
    assert appended.is_finished
    assert world.verbs("advance") == [("advance", len(CONTENT))]
    assert await world.data.content(upload.id) == CONTENT


@each_algorithm
async def test_wrong_checksum_leaves_the_upload_as_it_was(world: World, algorithm: str) -> None:
    upload = await world.create(len(CONTENT))
    with pytest.raises(ChecksumMismatch):
        await append(world, upload, body(CONTENT), checksum_of(algorithm, CONTENT[1:]))
    await assert_untouched(world, upload)


async def test_checksum_of_no_bytes_is_checked_too(world: World) -> None:
    upload = await world.create(10)
    assert await append(world, upload, body(b""), checksum_of("sha1", b"")) == upload
    with pytest.raises(ChecksumMismatch):
        await append(world, upload, body(b""), checksum_of("sha1", b"x"))


async def test_long_chunk_is_hashed_across_all_its_buffers(world: World) -> None:
    content = random.Random(8).randbytes(5 * LARGE + 3)
    upload = await world.create(len(content))
    assert (await append(world, upload, body(content), checksum_of("md5", content))).is_finished
    assert world.verbs("advance") == [("advance", len(content))]


@pytest.mark.parametrize("end", [Disconnected(), Displaced()], ids=lambda end: end.code)
@pytest.mark.parametrize("follows", [False, True])
async def test_part_of_a_chunk_with_a_checksum_is_not_kept(
    world: World, end: TusError, follows: bool
) -> None:
    upload = await world.create(len(CONTENT))
    checksum = None if follows else checksum_of("sha1", CONTENT)
    with pytest.raises(type(end)):
        await append(world, upload, body(CONTENT[:-1], end), checksum, follows=follows)
    await assert_untouched(world, upload)


async def test_length_declared_with_a_broken_chunk_is_not_kept(world: World) -> None:
    upload = await world.create(None)
    with pytest.raises(ChecksumMismatch):
        await append(world, upload, body(b"x"), checksum_of("sha1", b"y"), length=1)
    assert await world.found(upload) == upload


async def test_excess_is_refused_whatever_the_checksum(world: World) -> None:
    upload = await world.create(len(CONTENT))
    with pytest.raises(UploadTooLarge):
        await append(world, upload, body(CONTENT + b"!"), checksum_of("sha1", CONTENT))
    await assert_untouched(world, upload)


async def test_full_disk_keeps_nothing_of_a_chunk_with_a_checksum(world: World) -> None:
    upload = await world.create(len(CONTENT))
    world.data.fail = failing("write", FULL, after=1, only_once=True)
    with pytest.raises(type(FULL)):
        await append(world, upload, body(CONTENT), checksum_of("sha1", CONTENT))
    await assert_untouched(world, upload)


# --- after the body ---


@each_algorithm
async def test_announced_trailer_lets_the_chunk_count(world: World, algorithm: str) -> None:
    upload = await world.create(len(CONTENT))
    sent = body(CONTENT, trailer=checksum_of(algorithm, CONTENT))
    assert (await append(world, upload, sent, follows=True)).is_finished
    assert world.verbs("advance") == [("advance", len(CONTENT))]


async def test_trailer_speaks_for_this_chunk_alone(tmp_path: Path) -> None:
    async with make_world(tmp_path) as world:
        upload = await world.create(3 * LARGE)
        first, second = (random.Random(seed).randbytes(LARGE + 1) for seed in (1, 2))
        await world.append(upload, 0, first)
        sent = body(second, trailer=checksum_of("crc32c", second))
        payload = Payload(None, None, checksum_follows=True)
        request = Append(upload.id, len(first), payload)
        assert (await world.service.append(request, "", sent)).offset == 2 * LARGE + 2


@pytest.mark.parametrize(
    ("trailer", "error"),
    [
        (checksum_of("sha1", b"other"), ChecksumMismatch),
        (None, InvalidHeader),
        ("sha1", InvalidHeader),
        ("sha1 nonsense", InvalidHeader),
        ("sha3 QUJD", UnsupportedChecksumAlgorithm),
    ],
    ids=["wrong", "missing", "no-digest", "no-base64", "unknown"],
)
async def test_trailer_that_does_not_fit_leaves_the_upload_as_it_was(
    world: World, trailer: str | None, error: type[ProtocolError]
) -> None:
    upload = await world.create(len(CONTENT))
    with pytest.raises(error):
        await append(world, upload, body(CONTENT, trailer=trailer), follows=True)
    await assert_untouched(world, upload)


async def test_unannounced_trailer_counts_where_nothing_was_committed_yet(tmp_path: Path) -> None:
    async with make_world(tmp_path) as world:
        upload = await world.create(len(CONTENT))
        with pytest.raises(ChecksumMismatch):
            await append(world, upload, body(CONTENT, trailer=checksum_of("md5", b"other")))
        assert await world.found(upload) == upload
        appended = await append(world, upload, body(CONTENT, trailer=checksum_of("md5", CONTENT)))
        assert appended.is_finished


async def test_unannounced_trailer_speaks_for_what_was_committed_on_the_way(world: World) -> None:
    upload = await world.create(len(CONTENT))
    with pytest.raises(ChecksumMismatch):
        await append(world, upload, body(CONTENT, trailer=checksum_of("md5", b"other")))
    found = await world.found(upload)
    assert found is not None
    assert (found.offset, found.is_finished) == (0, False)
    appended = await append(world, upload, body(CONTENT, trailer=checksum_of("md5", CONTENT)))
    assert appended.is_finished
    assert await world.data.content(upload.id) == CONTENT


async def test_trailer_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    policy = POLICY.without(Extension.CHECKSUM_TRAILER)
    async with make_world(tmp_path, policy=policy) as world:
        upload = await world.create(len(CONTENT))
        with pytest.raises(InvalidHeader, match="not offered"):
            await append(world, upload, body(CONTENT, trailer=checksum_of("md5", CONTENT)))
        await assert_untouched(world, upload)
