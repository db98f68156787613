"""No offset is told that the data does not bear out, and no volume that is missing is believed."""

import logging
from dataclasses import replace

import pytest

from tests.contracts.examples import THEN, a_final, a_part, an_advance, an_upload, upload_id
from tests.unit.uploads.conftest import World
from tests.unit.uploads.fakes import ScriptedBody, failing
from tusd_py.errors import (
    ChecksumMismatch,
    DataDirectoryError,
    OffsetMismatch,
    StateError,
    StorageError,
    UploadNotFound,
)
from tusd_py.protocol.checksum import Checksum
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.recovery import SUSPICIOUS, cut_off_refused, recover

FINISHED = {"state": UploadState.FINISHED, "finished_at": THEN, "expires_at": None}


# --- at the start ---


async def add_without_data(world: World, count: int) -> None:
    for number in range(count):
        await world.rows.create(an_upload(number))


async def test_empty_directory_is_begun_with(world: World) -> None:
    await recover(world.rows, world.data)


async def test_uploads_without_any_data_are_refused(world: World) -> None:
    await add_without_data(world, SUSPICIOUS)
    with pytest.raises(DataDirectoryError, match=r"knows 10 uploads or more.*volume mounted"):
        await recover(world.rows, world.data)
    assert await world.rows.count_living(100) == SUSPICIOUS


async def test_a_few_without_data_may_be_bad_luck(world: World) -> None:
    await add_without_data(world, SUSPICIOUS - 1)
    await recover(world.rows, world.data)


async def test_any_data_shows_that_the_volume_is_there(world: World) -> None:
    await add_without_data(world, SUSPICIOUS)
    await world.data.allocate(upload_id(0xF), None)
    await recover(world.rows, world.data)


async def test_tombstones_have_no_data_to_miss(world: World) -> None:
    for number in range(30):
        await world.rows.create(an_upload(number, state=UploadState.EXPIRED))
    await recover(world.rows, world.data)


async def test_state_that_cannot_be_read_is_refused_with_a_remedy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: int) -> int:
        raise StateError("cannot be read") from OSError("malformed")

    monkeypatch.setattr(world.rows, "count_living", fail)
    with pytest.raises(DataDirectoryError, match=r"malformed.*`tusd-py verify --repair`"):
        await recover(world.rows, world.data)


# --- when a client comes back ---


@pytest.mark.parametrize(
    ("upload", "content"),
    [
        (an_upload(1, offset=5), b"01234"),
        (an_upload(1, offset=5), b"01234 and more that was never committed"),
        (an_upload(1), b""),
        (an_upload(1, length=3, offset=3, **FINISHED), b"abc"),
        (an_upload(1, length=0, **FINISHED), b""),
        (a_part(1), b"0123456789"),
    ],
)
async def test_what_agrees_is_told_as_it_is(world: World, upload: Upload, content: bytes) -> None:
    await world.store(upload, content)
    assert await world.service.inspect(upload.id, "") == upload
    assert await world.found(upload) == upload


async def test_final_that_waits_has_no_offset_to_bear_out(world: World) -> None:
    await world.store(an_upload(2), b"")
    await world.store(a_final(1, 2), b"")
    assert (await world.service.inspect(upload_id(1), "")).state is UploadState.CONCATENATING


async def test_open_upload_with_less_data_is_set_back_to_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    upload = an_upload(1, offset=50)
    await world.store(upload, b"0123456789")
    told = await world.service.inspect(upload.id, "")
    assert told == replace(upload, offset=10) == await world.found(upload)
    assert f"{upload.id} has 10 bytes of 50" in caplog.text
    await world.append(told, 10, b"and the rest")
    assert (await world.service.inspect(upload.id, "")).offset == 22


async def test_chunk_is_not_written_behind_bytes_that_are_missing(world: World) -> None:
    upload = an_upload(1, offset=50)
    await world.store(upload, b"0123456789")
    with pytest.raises(OffsetMismatch) as refusal:
        await world.append(upload, 50, b"more")
    assert refusal.value.offset == 10
    assert await world.data.size(upload.id) == 10


async def test_upload_whose_data_is_gone_is_begun_anew(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """On PATCH with an error after which clients ask with HEAD, and then with one that is final."""
    upload = an_upload(1, offset=5)
    await world.rows.create(upload)
    with pytest.raises(StorageError):
        await world.append(upload, 5, b"more")
    with pytest.raises(UploadNotFound):
        await world.service.inspect(upload.id, "")
    assert upload.id in caplog.text
    # It is for the operator to forget it: a volume may come back.
    assert await world.found(upload) == upload


@pytest.mark.parametrize("upload", [an_upload(1, length=9, offset=9, **FINISHED), a_part(1)])
async def test_finished_upload_with_less_data_is_not_told_to_be_whole(
    world: World, upload: Upload, caplog: pytest.LogCaptureFixture
) -> None:
    await world.store(upload, b"01234")
    with caplog.at_level(logging.ERROR), pytest.raises(UploadNotFound):
        await world.service.inspect(upload.id, "")
    assert await world.found(upload) == upload
    assert await world.data.size(upload.id) == 5
    assert f"{upload.id} has 5 bytes of" in caplog.text


async def test_store_that_cannot_be_asked_says_nothing_about_the_upload(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: str) -> int:
        raise StorageError("no disk at the moment")

    upload = an_upload(1, offset=5)
    await world.store(upload, b"01234")
    monkeypatch.setattr(world.data, "size", fail)
    with pytest.raises(StorageError):
        await world.service.inspect(upload.id, "")
    with pytest.raises(StorageError):
        await world.append(upload, 5, b"more")
    assert await world.found(upload) == upload


# --- what was refused ---


async def refuse(world: World, upload: Upload) -> None:
    payload = Payload(10, checksum=Checksum("sha1", bytes(20)))
    request = Append(upload.id, upload.offset, payload)
    with pytest.raises(ChecksumMismatch):
        await world.service.append(request, "", ScriptedBody(b"0123456789"))


async def test_refused_chunk_leaves_no_bytes_behind_those_that_count(world: World) -> None:
    upload = an_upload(1, offset=5)
    await world.store(upload, b"01234 and what a broken line has left")
    await refuse(world, upload)
    assert await world.data.content(upload.id) == b"01234"
    assert await world.found(upload) == upload


async def test_chunk_is_refused_also_where_its_bytes_cannot_be_cut_off(world: World) -> None:
    upload = an_upload(1, offset=5)
    await world.store(upload, b"01234")
    world.data.fail = failing("flush", StorageError("broken"), after=1)
    await refuse(world, upload)
    assert await world.found(upload) == upload


async def test_bytes_of_somebody_who_moved_the_upload_meanwhile_are_not_cut_off(
    world: World,
) -> None:
    upload = an_upload(1, offset=5)
    await world.store(upload, b"0123456789")
    await world.rows.advance(an_advance(from_offset=5))
    await cut_off_refused(upload, world.rows, world.data)
    assert await world.data.size(upload.id) == 10
