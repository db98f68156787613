"""Expiration: unfinished uploads go when their time is over."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.harness import OCTETS, Answer, TusServer, patch_head, run_server
from tests.protocol.test_concatenation import PARTIAL, joined, until_joined

IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d"
    r" (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)


def expires(answer: Answer) -> float:
    return parsedate_to_datetime(answer.headers["Upload-Expires"]).timestamp()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


class Clock:
    """The server's time, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(
    data_dir: Path, clock: Clock, request: pytest.FixtureRequest
) -> AsyncIterator[TusServer]:
    """A server whose uploads expire after 100 seconds of *clock*, unless settings differ."""
    marker = request.node.get_closest_marker("settings")
    settings = {"expire_after": 100, "sweep_interval": 0.02, **(marker.kwargs if marker else {})}
    async with run_server(data_dir, clock=clock, **settings) as running:
        yield running


class TestUploadExpires:
    async def test_is_in_every_answer_about_an_upload_that_will_expire(
        self, server: TusServer, clock: Clock
    ) -> None:
        created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
        path = created.headers["Location"]
        for answer in (created, await server.patch(path, 0, b"hello"), await server.head(path)):
            assert IMF_FIXDATE.fullmatch(answer.headers["Upload-Expires"])
            assert expires(answer) == int(clock.now + 100)

    async def test_is_in_answers_to_patches_that_are_refused(self, server: TusServer) -> None:
        # "MUST be included in every PATCH response if the upload is going to expire".
        path = await server.create(10)
        checksum = {"Upload-Checksum": "crc32 AAAAAA=="}
        for answer in (
            await server.patch(path, 5, b"hello"),
            await server.patch(path, 0, b"hello", checksum),
            await server.patch(path, 0, b"hello world"),
        ):
            assert answer.status in {409, 460, 413}
            assert IMF_FIXDATE.fullmatch(answer.headers["Upload-Expires"]), answer.status

    async def test_comes_with_a_first_chunk_too(self, server: TusServer) -> None:
        headers = {"Upload-Length": "10", **OCTETS}
        answer = await server.request("POST", server.prefix, headers, b"hello")
        assert IMF_FIXDATE.fullmatch(answer.headers["Upload-Expires"])

    async def test_is_gone_once_the_upload_is_finished(self, server: TusServer) -> None:
        path = await server.create(5)
        finished = await server.patch(path, 0, b"hello")
        assert "Upload-Expires" not in finished.headers
        assert "Upload-Expires" not in (await server.head(path)).headers

    async def test_stays_on_finished_partial_uploads(self, server: TusServer) -> None:
        path = await server.create(5, PARTIAL)
        assert "Upload-Expires" in (await server.patch(path, 0, b"hello")).headers
        assert "Upload-Expires" in (await server.head(path)).headers

    async def test_is_gone_once_a_final_upload_is_joined(self, server: TusServer) -> None:
        part = await server.finished(b"hello", PARTIAL)
        final = await joined(server, part)
        assert "Upload-Expires" not in (await server.head(final)).headers


class TestTime:
    async def test_sliding_begins_anew_with_every_byte(
        self, server: TusServer, clock: Clock
    ) -> None:
        created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
        path = created.headers["Location"]
        clock.now += 60
        assert expires(await server.head(path)) == expires(created)
        moved = await server.patch(path, 0, b"hello")
        assert expires(moved) == expires(created) + 60
        clock.now += 60
        assert expires(await server.head(path)) == expires(moved)
        clock.now += 41
        assert (await server.head(path)).status == 410

    @pytest.mark.settings(expiration="absolute")
    async def test_absolute_counts_from_the_creation(self, server: TusServer, clock: Clock) -> None:
        created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
        path = created.headers["Location"]
        clock.now += 60
        assert expires(await server.patch(path, 0, b"hello")) == expires(created)
        clock.now += 41
        assert (await server.patch(path, 5, b"world")).status == 410

    @pytest.mark.settings(sweep_interval=60)
    async def test_is_over_at_the_second_that_was_told(
        self, server: TusServer, clock: Clock
    ) -> None:
        created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
        path = created.headers["Location"]
        clock.now = expires(created) - 0.01
        assert (await server.head(path)).status == 200
        clock.now = expires(created) + 1
        assert (await server.head(path)).status == 410


@pytest.mark.settings(sweep_interval=60)
class TestExpired:
    """Before any sweep: the time alone decides."""

    async def test_uploads_take_no_data_and_tell_no_offset(
        self, server: TusServer, clock: Clock
    ) -> None:
        path = await server.create(10)
        await server.patch(path, 0, b"hello")
        clock.now += 101
        assert (await server.patch(path, 5, b"world")).status == 410
        head = await server.head(path)
        assert head.status == 410
        assert "Upload-Offset" not in head.headers
        assert (await server.delete(path)).status == 410
        assert (await server.get(path)).status == 410

    async def test_partial_uploads_can_be_joined_no_more(
        self, server: TusServer, clock: Clock
    ) -> None:
        part = await server.finished(b"hello", PARTIAL)
        clock.now += 101
        assert (await server.head(part)).status == 410
        headers = {"Upload-Concat": f"final;{part}"}
        assert (await server.request("POST", server.prefix, headers)).status == 400

    async def test_final_uploads_that_wait_for_their_parts_expire(
        self, server: TusServer, clock: Clock
    ) -> None:
        part = await server.create(5, PARTIAL)
        final = await server.create(None, {"Upload-Concat": f"final;{part}"})
        clock.now += 101
        assert (await server.head(final)).status == 410

    async def test_finished_uploads_stay(self, server: TusServer, clock: Clock) -> None:
        final = await joined(server, await server.finished(b"hello", PARTIAL))
        path = await server.finished(b"hello")
        empty = await server.create(0)
        clock.now += 10_000
        for kept in (path, final, empty):
            assert (await server.get(kept)).status == 200
            assert (await server.head(kept)).status == 200


@pytest.mark.settings(keep_tombstones=1000)
async def test_is_410_while_the_tombstone_is_kept_then_404(server: TusServer, clock: Clock) -> None:
    path = await server.create(10)
    await server.patch(path, 0, b"hello")
    clock.now += 101
    await until(lambda: not server.stored())
    clock.now += 900
    await asyncio.sleep(0.1)
    for answer in (await server.head(path), await server.patch(path, 5, b"world")):
        assert answer.status == 410
    clock.now += 200
    async with asyncio.timeout(5):
        while (gone := await server.head(path)).status == 410:
            await asyncio.sleep(0.01)
    assert gone.status == 404
    assert "Upload-Offset" not in gone.headers
    assert (await server.patch(path, 5, b"world")).status == 404


async def test_frees_the_space_of_unfinished_and_partial_uploads_alone(
    server: TusServer, clock: Clock
) -> None:
    await server.create(10)
    await server.finished(b"part", PARTIAL)
    kept = await server.finished(b"kept")
    clock.now += 101
    await until(lambda: len(server.stored()) == 1)
    assert (await server.get(kept)).body == b"kept"


async def test_spares_a_part_that_a_final_upload_waits_for(server: TusServer, clock: Clock) -> None:
    early = await server.finished(b"hello", PARTIAL)
    clock.now += 60
    late = await server.create(6, PARTIAL)
    final = await server.create(None, {"Upload-Concat": f"final;{early} {late}"})
    clock.now += 60
    await asyncio.sleep(0.1)
    assert (await server.patch(late, 0, b" world")).status == 204
    await until_joined(server, final)
    assert (await server.get(final)).body == b"hello world"
    clock.now += 101
    await until(lambda: len(server.stored()) == 1)


@pytest.mark.settings(checkpoint_interval=0.01)
async def test_does_not_take_away_an_upload_that_is_receiving(
    server: TusServer, clock: Clock
) -> None:
    path = await server.create(20)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=20))
        for _ in range(20):
            await connection.send("x")
            await asyncio.sleep(0.03)
            clock.now += 20
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (204, 20)


@pytest.mark.settings(expire_after=None)
async def test_is_not_announced_where_nothing_expires(server: TusServer) -> None:
    assert "expiration" not in (await server.options()).headers["Tus-Extension"].split(",")
    answer = await server.request("POST", server.prefix, {"Upload-Length": "10"})
    path = answer.headers["Location"]
    for told in (answer, await server.head(path), await server.patch(path, 0, b"hello")):
        assert "Upload-Expires" not in told.headers


@pytest.mark.settings(disabled_extensions=("expiration",))
async def test_disabling_it_makes_uploads_stay(server: TusServer, clock: Clock) -> None:
    # A server that lets uploads expire has to announce it.
    assert "expiration" not in (await server.options()).headers["Tus-Extension"].split(",")
    answer = await server.request("POST", server.prefix, {"Upload-Length": "10"})
    assert "Upload-Expires" not in answer.headers
    clock.now += 10_000
    await asyncio.sleep(0.1)
    assert (await server.patch(answer.headers["Location"], 0, b"hello")).status == 204
