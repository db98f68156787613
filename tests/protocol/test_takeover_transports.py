"""Large bodies received past aiohttp come whole by TCP, by TLS and by a unix socket."""

import asyncio
import os
import random
from contextlib import AsyncExitStack

import pytest

from tests.harness import patch_head, request_head
from tests.protocol.transports import (
    Open,
    ReachedServer,
    WatchedTakeover,
    begin,
    cut,
    send_part,
    send_slowly,
    until,
)

LENGTH = 2_000_001
#: More than what is left alone, less and more than a connection's own buffers, and nearly all.
RECEIVED = [0, 1, 150_000, LENGTH - 1]


class TestSegments:
    @pytest.mark.parametrize("sent", [1, 100_000, 200_001, LENGTH])
    async def test_may_hold_the_head_and_some_of_the_body(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover], sent: int
    ) -> None:
        content = os.urandom(LENGTH)
        path = await reached.create(LENGTH)
        async with reached.raw() as connection:
            await connection.send(patch_head(path, 0, length=LENGTH).encode() + content[:sent])
            if sent < LENGTH:
                await until(lambda: takeovers)
                await connection.send(content[sent:])
            assert (await connection.receive()).offset == LENGTH
        assert (await reached.get(path)).body == content

    async def test_may_hold_the_bodys_end_and_the_next_requests(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover]
    ) -> None:
        content, small = os.urandom(LENGTH), b"hello"
        path, other, last = [await reached.create(size) for size in (LENGTH, 5, LENGTH)]
        async with reached.raw() as connection:
            await begin(connection, path, LENGTH, takeovers)
            await send_part(connection, takeovers[0], content[:-1000])
            await connection.send(
                content[-1000:]
                + request_head("HEAD", path).encode()
                + (patch_head(other, 0, length=5).encode() + small)
                + (patch_head(last, 0, length=LENGTH).encode() + content[:1000])
            )
            assert (await connection.receive()).offset == LENGTH
            assert (await connection.receive(head_only=True)).offset == LENGTH
            assert (await connection.receive()).offset == 5
            await until(lambda: len(takeovers) == 2)
            await connection.send(content[1000:])
            assert (await connection.receive()).offset == LENGTH
        assert (await reached.get(path)).body == (await reached.get(last)).body == content
        assert (await reached.get(other)).body == small

    @pytest.mark.parametrize("seed", range(3))
    async def test_may_cut_a_row_of_requests_anywhere(
        self, reached: ReachedServer, seed: int
    ) -> None:
        numbers = random.Random(seed)
        sizes = [numbers.choice([3, 70_000, 140_000, 400_000, 900_000]) for _ in range(8)]
        contents = [numbers.randbytes(size + numbers.randrange(3)) for size in sizes]
        paths = [await reached.create(len(content)) for content in contents]
        stream = b"".join(
            patch_head(path, 0, length=len(content)).encode()
            + content
            + request_head("HEAD", path).encode()
            for path, content in zip(paths, contents, strict=True)
        )
        async with reached.raw() as connection:
            sending = asyncio.create_task(send_slowly(connection, cut(stream, seed=seed)))
            for content in contents:
                assert (await connection.receive()).offset == len(content)
                assert (await connection.receive(head_only=True)).offset == len(content)
            await sending
        for path, content in zip(paths, contents, strict=True):
            assert (await reached.get(path)).body == content


@pytest.mark.settings(checkpoint_bytes=200_000, checkpoint_interval=0.01)
async def test_a_slow_body_is_committed_on_the_way(
    reached: ReachedServer, takeovers: list[WatchedTakeover]
) -> None:
    content = os.urandom(LENGTH)
    path = await reached.create(LENGTH)
    async with reached.raw() as connection:
        await begin(connection, path, LENGTH, takeovers)
        for number in range(20):
            await send_part(connection, takeovers[0], content[number : number + 1])
        await send_slowly(connection, cut(content[20:1_000_000], seed=1))
        await until(lambda: 20 < reached.committed() <= 1_000_000)
        await send_slowly(connection, cut(content[1_000_000:], seed=2, least=1000))
        assert (await connection.receive()).offset == LENGTH
    assert reached.committed() == LENGTH
    assert (await reached.get(path)).body == content


class TestClientsThatGo:
    @pytest.mark.parametrize("received", RECEIVED)
    @pytest.mark.parametrize("how", ["FIN", "RST"])
    async def test_are_told_exactly_what_came(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover], how: str, received: int
    ) -> None:
        content = os.urandom(LENGTH)
        path = await reached.create(LENGTH)
        async with reached.raw() as connection:
            await begin(connection, path, LENGTH, takeovers)
            if how == "FIN":
                await connection.send(content[:received])
            else:
                # A reset throws away what the other side has not read yet: let it read.
                await send_part(connection, takeovers[0], content[:received])
                connection.reset()
        await until(lambda: takeovers[0].ended)
        assert takeovers[0].received == received
        await reached.assert_resumes(path, content, received)

    async def test_leave_nothing_behind_that_others_stumble_over(
        self, reached: ReachedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        content = os.urandom(LENGTH)

        async def upload(number: int) -> None:
            path = await reached.create(LENGTH)
            async with reached.raw() as connection:
                pieces = cut(patch_head(path, 0, length=LENGTH).encode() + content, seed=number)
                await send_slowly(connection, pieces[: random.Random(number).randrange(1, 20)])
            offset = (await reached.head(path)).offset
            await reached.assert_resumes(path, content, offset)

        await asyncio.gather(*(upload(number) for number in range(6)))
        assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []

    @pytest.mark.settings(idle_timeout=0.3)
    @pytest.mark.parametrize("received", [0, 150_000])
    async def test_to_sleep_are_left_and_their_bytes_are_kept(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover], received: int
    ) -> None:
        content = os.urandom(LENGTH)
        path = await reached.create(LENGTH)
        async with reached.raw() as connection:
            await begin(connection, path, LENGTH, takeovers)
            await connection.send(content[:received])
            assert await connection.is_closed()
        await reached.assert_resumes(path, content, received)


class TestDisplaced:
    @pytest.mark.parametrize("received", [0, 1, 150_000, LENGTH - 1])
    async def test_body_is_kept_to_the_byte_and_its_connection_goes_on(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover], received: int
    ) -> None:
        content = os.urandom(LENGTH)
        path = await reached.create(LENGTH)
        async with reached.raw() as connection:
            await begin(connection, path, LENGTH, takeovers)
            await send_part(connection, takeovers[0], content[:received])
            head = await reached.head(path)
            assert (head.status, head.offset) == (200, received)
            assert (await connection.receive()).status == 423
            rest = content[received:]
            # The old body has to end before anything else can begin.
            await connection.send(rest + patch_head(path, received, length=len(rest)).encode())
            await connection.send(rest)
            assert (await connection.receive()).offset == LENGTH
        assert (await reached.get(path)).body == content

    async def test_body_may_still_be_on_its_way(
        self, reached: ReachedServer, takeovers: list[WatchedTakeover]
    ) -> None:
        content = os.urandom(3 * LENGTH)
        path = await reached.create(len(content))
        async with reached.raw() as connection:
            await connection.send(patch_head(path, 0, length=len(content)))
            sending = asyncio.create_task(send_slowly(connection, cut(content, seed=1)))
            await until(lambda: takeovers and takeovers[0].received > 500_000)
            offset = (await reached.head(path)).offset
            assert 500_000 < offset < len(content)
            await reached.assert_resumes(path, content, offset)
            assert (await connection.receive()).status == 423
            await sending
            await connection.send(request_head("HEAD", path))
            assert (await connection.receive(head_only=True)).offset == len(content)


@pytest.mark.parametrize("received", [0, 150_000])
async def test_server_that_stops_keeps_what_came_for_the_next_one(
    open_server: Open, takeovers: list[WatchedTakeover], received: int
) -> None:
    content = os.urandom(LENGTH)
    async with AsyncExitStack() as stack:
        async with open_server() as server:
            path = await server.create(LENGTH)
            connection = await stack.enter_async_context(server.raw())
            await begin(connection, path, LENGTH, takeovers)
            await send_part(connection, takeovers[0], content[:received])
        answer = await connection.receive()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert await connection.is_closed()
    async with open_server() as server:
        await server.assert_resumes(path, content, received)


async def test_body_that_waits_for_100_continue_is_asked_for_once(
    reached: ReachedServer, takeovers: list[WatchedTakeover]
) -> None:
    content = os.urandom(LENGTH)
    path = await reached.create(LENGTH)
    async with reached.raw() as connection:
        await connection.send(patch_head(path, 0, "Expect: 100-continue", length=LENGTH))
        assert (await connection.receive()).status == 100
        await connection.send(content)
        assert (await connection.receive()).offset == LENGTH
    assert takeovers[0].announced == LENGTH
    assert (await reached.get(path)).body == content


async def test_body_may_come_while_earlier_answers_are_read_slowly(
    reached: ReachedServer, takeovers: list[WatchedTakeover]
) -> None:
    content = os.urandom(LENGTH)
    path = await reached.create(LENGTH)
    long = await reached.create(1, {"Upload-Metadata": "k " + "QUFB" * 4000})
    async with reached.raw() as connection:
        await connection.send(request_head("HEAD", long) * 60)
        await connection.send(patch_head(path, 0, length=LENGTH))
        sending = asyncio.create_task(send_slowly(connection, cut(content, seed=1)))
        for _ in range(60):
            assert (await connection.receive(head_only=True)).offset == 0
            await asyncio.sleep(0.001)
        await sending
        assert (await connection.receive()).offset == LENGTH
    assert len(takeovers) == 1
    assert (await reached.get(path)).body == content


@pytest.mark.parametrize(
    ("asked", "start"),
    [("bytes=0-", 0), ("bytes=4194303-", 4_194_303), ("bytes=-5000001", -5_000_001)],
)
async def test_what_came_goes_out_again(reached: ReachedServer, asked: str, start: int) -> None:
    content = os.urandom(9 * 2**20 + 1)
    path = await reached.finished(content)
    async with reached.raw() as connection:
        for _ in range(2):
            await connection.send(request_head("GET", path, f"Range: {asked}"))
            answer = await connection.receive()
            assert (answer.status, answer.body == content[start:]) == (206, True)
        await connection.send(request_head("HEAD", path))
        assert (await connection.receive(head_only=True)).offset == len(content)
