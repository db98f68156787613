"""Large bodies are received past aiohttp's parser: to the bit, at any size, within the budget."""

import asyncio
import mmap
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness import OCTETS, RawConnection, TusServer, patch_head, request_head, run_server
from tests.protocol.test_checksum import checksum
from tests.protocol.transports import WatchedTakeover, until
from tusd_py.uploads.buffers import LARGE, SMALL, BufferPool

EXPECT = "Expect: 100-continue"
CHUNKED = "Transfer-Encoding: chunked"
PAGE = mmap.PAGESIZE
#: The least that is worth it.
LEAST = 128 * 1024


async def send_when_asked(connection: RawConnection, head: str, body: bytes) -> int:
    """Send *body* once the server waits for it, and return the status of the answer."""
    await connection.send(head)
    assert (await connection.receive()).status == 100
    await connection.send(body)
    return (await connection.receive()).status


class TestUse:
    @pytest.mark.parametrize(
        ("size", "announced"),
        [(1, []), (LEAST - 1, []), (LEAST, [LEAST]), (2_000_001, [2_000_001])],
    )
    async def test_begins_at_128_kib(
        self,
        server: TusServer,
        takeovers: list[WatchedTakeover],
        size: int,
        announced: list[int],
    ) -> None:
        content = os.urandom(size)
        path = await server.create(size)
        async with server.raw() as connection:
            head = patch_head(path, 0, EXPECT, length=size)
            assert await send_when_asked(connection, head, content) == 204
        assert [each.announced for each in takeovers] == announced
        assert [each.received for each in takeovers] == announced
        assert (await server.get(path)).body == content

    @pytest.mark.parametrize(
        ("sent", "announced"), [(1, [299_999]), (100_001, [199_999]), (170_000, []), (300_000, [])]
    )
    async def test_counts_what_has_not_come_with_the_head(
        self,
        server: TusServer,
        takeovers: list[WatchedTakeover],
        sent: int,
        announced: list[int],
    ) -> None:
        content = os.urandom(300_000)
        path = await server.create(len(content))
        async with server.raw() as connection:
            head = patch_head(path, 0, length=len(content)).encode()
            await connection.send(head + content[:sent])
            if announced:
                await until(lambda: takeovers)
            await connection.send(content[sent:])
            assert (await connection.receive()).offset == len(content)
        assert [each.announced for each in takeovers] == announced
        assert (await server.get(path)).body == content

    async def test_is_made_of_the_first_chunk_of_a_creation(
        self, server: TusServer, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(1_000_001)
        lines = (f"Upload-Length: {len(content)}", f"Content-Type: {OCTETS['Content-Type']}")
        async with server.raw() as connection:
            await connection.send(request_head("POST", "/files/", *lines, length=len(content)))
            await until(lambda: takeovers)
            await connection.send(content)
            answer = await connection.receive()
            assert (answer.status, answer.offset) == (201, len(content))
        assert (await server.get(answer.headers["Location"])).body == content

    async def test_is_not_made_of_a_body_in_chunks(
        self, server: TusServer, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(1_000_000)
        path = await server.create(len(content))
        async with server.raw() as connection:
            head = patch_head(path, 0, EXPECT, CHUNKED)
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
            assert await send_when_asked(connection, head, body) == 204
        assert takeovers == []

    async def test_cannot_be_made_on_a_plain_server(
        self, data_dir: Path, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(1_000_000)
        async with run_server(data_dir, ours=False) as server:
            path = await server.finished(content)
            assert (await server.get(path)).body == content
        assert takeovers == []


#: Where something changes: a page, what a small and a large buffer hold, what is taken over.
EDGES = [PAGE, SMALL, LEAST, SMALL + PAGE, LARGE, LARGE + SMALL, 2 * LARGE + SMALL]


@pytest.mark.parametrize("asked", [True, False])
async def test_bodies_of_any_size_follow_each_other_on_one_connection(
    server: TusServer, takeovers: list[WatchedTakeover], asked: bool
) -> None:
    numbers = random.Random(1)
    sizes = [edge + more for edge in EDGES for more in (-1, 0, 1)]
    numbers.shuffle(sizes)
    source = numbers.randbytes(8 * 2**20)
    bodies = []
    async with server.raw() as connection:
        for size in sizes:
            # Either the body is that long, or it ends there counted from the page it begins on.
            odd = numbers.choice([1, PAGE - 1, numbers.randrange(1, PAGE)])
            body = size - odd if size > PAGE + 1 and numbers.random() < 0.5 else size
            start = numbers.randrange(1_000_000)
            content = source[start:][: odd + body]
            path = await server.create(len(content))
            await connection.send(patch_head(path, 0, length=odd).encode() + content[:odd])
            assert (await connection.receive()).offset == odd
            await connection.send(patch_head(path, odd, *([EXPECT] if asked else []), length=body))
            if asked:
                assert (await connection.receive()).status == 100
            await connection.send(content[odd:])
            answer = await connection.receive()
            assert (body, answer.status, answer.offset) == (body, 204, len(content))
            is_whole = (await server.get(path)).body == content
            assert (body, odd, is_whole) == (body, odd, True)
            bodies.append(body)
    if asked:
        assert [each.received for each in takeovers] == [body for body in bodies if body >= LEAST]
    else:
        assert len(takeovers) >= 9  # no segment holds a whole body of 3 MiB


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, data_dir: Path, tmp_path: Path) -> Path:
    """A data directory, on a real disk or where the others are."""
    return data_dir if request.param == "memory" else tmp_path / "data"


class TestDisk:
    @pytest.mark.parametrize("io", ["direct", "buffered"])
    async def test_takes_what_comes_in_odd_pieces(
        self, place: Path, io: str, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(5_000_001)
        bounds = [0, 777, 300_000, 300_000 + LARGE + 1, len(content)]
        async with run_server(
            place, io=io, checkpoint_bytes=300_000, checkpoint_interval=0.02
        ) as server:
            path = await server.create(len(content))
            async with server.raw() as connection:
                for start, end in pairwise(bounds):
                    await connection.send(patch_head(path, start, length=end - start))
                    if end - start >= LEAST:
                        before = len(takeovers)
                        await until(lambda: len(takeovers) > before)  # noqa: B023 - at once
                    await connection.send(content[start:end])
                    assert (await connection.receive()).offset == end
            assert (await server.get(path)).body == content
        assert len(takeovers) == 3

    @pytest.mark.parametrize("io", ["direct", "buffered"])
    @pytest.mark.parametrize("received", [SMALL + 1, 1_500_001])
    async def test_keeps_what_came_before_the_connection_broke(
        self, place: Path, io: str, received: int, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(4_000_000)
        async with run_server(place, io=io) as server:
            path = await server.create(len(content))
            await server.patch(path, 0, content[:5])
            async with server.raw() as connection:
                await connection.send(patch_head(path, 5, length=len(content) - 5))
                await until(lambda: takeovers)
                await connection.send(content[5:received])
            await until(lambda: takeovers[0].ended)
            assert (await server.head(path)).offset == received
            assert (await server.patch(path, received, content[received:])).status == 204
            assert (await server.get(path)).body == content


class TestChecksum:
    @pytest.mark.parametrize("io", ["direct", "buffered"])
    async def test_counts_for_a_large_body(
        self, place: Path, io: str, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(LARGE + SMALL + 4097)
        right = "Upload-Checksum: " + checksum("sha256", content)["Upload-Checksum"]
        wrong = "Upload-Checksum: " + checksum("sha256", content[:-1])["Upload-Checksum"]
        async with run_server(place, io=io, checkpoint_bytes=100_000) as server:
            path = await server.create(len(content))
            async with server.raw() as connection:
                head = patch_head(path, 0, EXPECT, wrong, length=len(content))
                assert await send_when_asked(connection, head, content) == 460
                assert (await server.head(path)).offset == 0
                head = patch_head(path, 0, EXPECT, right, length=len(content))
                assert await send_when_asked(connection, head, content) == 204
            assert (await server.get(path)).body == content
        assert len(takeovers) == 2

    async def test_of_a_body_that_breaks_off_lets_nothing_count(
        self, server: TusServer, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(2_000_000)
        right = "Upload-Checksum: " + checksum("sha1", content)["Upload-Checksum"]
        path = await server.create(len(content))
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, right, length=len(content)))
            await until(lambda: takeovers)
            await connection.send(content[:-1])
        await until(lambda: takeovers[0].ended)
        assert (await server.head(path)).offset == 0


@pytest.mark.settings(buffer_budget=2 * LARGE)
async def test_uploads_beyond_the_buffer_budget_go_on_with_small_buffers(
    server: TusServer, takeovers: list[WatchedTakeover], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = BufferPool.take

    def watched(pool: BufferPool, count: int) -> list[mmap.mmap]:
        buffers = take(pool, count)
        taken.append(len(buffers))
        return buffers

    monkeypatch.setattr(BufferPool, "take", watched)
    contents = [random.Random(seed).randbytes(2_500_000 + seed) for seed in range(8)]

    all_have_begun = asyncio.Barrier(len(contents))

    async def upload(content: bytes) -> str:
        path = await server.create(len(content))
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, EXPECT, length=len(content)))
            assert (await connection.receive()).status == 100
            await connection.send(content[:100_000])  # fills a small buffer
            await until(lambda: sum(each.received for each in takeovers) == 800_000)
            await all_have_begun.wait()
            await connection.send(content[100_000:])
            assert (await connection.receive()).offset == len(content)
        return path

    paths = await asyncio.gather(*map(upload, contents))
    for path, content in zip(paths, contents, strict=True):
        assert (await server.get(path)).body == content
    assert {0, 2} == set(taken)  # one had large ones, the others had to do without


@pytest.mark.parametrize("pause", [0, 0.01])
async def test_body_waits_behind_a_download_that_is_read_slowly(
    server: TusServer, takeovers: list[WatchedTakeover], pause: float
) -> None:
    # Until the download is over aiohttp takes what its stream holds, and then stops reading.
    content, wanted = os.urandom(3_000_001), os.urandom(8_000_000)
    path, finished = await server.create(len(content)), await server.finished(wanted)
    takeovers.clear()
    async with server.raw() as connection:
        await connection.send(request_head("GET", finished))
        await connection.send(patch_head(path, 0, length=len(content)))
        sending = asyncio.create_task(connection.send(content))
        await asyncio.sleep(0.05)
        await connection.reader.readuntil(b"\r\n\r\n")
        received = b""
        while len(received) < len(wanted):
            size = min(500_000, len(wanted) - len(received))
            received += await asyncio.wait_for(connection.reader.readexactly(size), 5)
            await asyncio.sleep(pause)
        assert received == wanted
        await sending
        assert (await connection.receive()).offset == len(content)
    assert len(takeovers) == 1
    assert (await server.get(path)).body == content
