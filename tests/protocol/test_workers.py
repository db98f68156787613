"""Any worker serves any request, and the newest request wins whichever worker it comes to."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import OCTETS, Answer, RawConnection, TusServer, patch_head, run_workers

LENGTH = 1_000_000
#: Seconds that a newcomer may wait; 0.3 is the aim, but test machines are busy.
SOON = 1.0
CONTENT = os.urandom(LENGTH)
RECEIVED = [0, 7, 70_000, 300_000]


@pytest.fixture
async def workers(data_dir: Path) -> AsyncIterator[list[TusServer]]:
    async with run_workers(data_dir) as running:
        yield running


async def hang(connection: RawConnection, path: str, received: int) -> None:
    """Begin a PATCH of the whole, send some of it, and fall silent."""
    await connection.send(patch_head(path, 0, length=LENGTH))
    await connection.send(CONTENT[:received])
    await asyncio.sleep(0.05)  # it is on its way


# --- One upload, several workers ---


async def test_an_upload_wanders_between_workers(workers: list[TusServer]) -> None:
    one, other = workers
    path = await one.create(LENGTH)
    for number, start in enumerate(range(0, LENGTH, LENGTH // 10)):
        worker, watcher = workers[number % 2], workers[1 - number % 2]
        answer = await worker.patch(path, start, CONTENT[start : start + LENGTH // 10])
        assert (answer.status, answer.offset) == (204, start + LENGTH // 10)
        assert (await watcher.head(path)).offset == answer.offset
    assert (await other.get(path)).body == CONTENT
    assert (await one.delete(path)).status == 204
    assert (await other.head(path)).status == 404


async def test_uploads_made_at_once_by_all_are_all_there(workers: list[TusServer]) -> None:
    contents = [os.urandom(1000 + number) for number in range(40)]
    paths = await asyncio.gather(
        *(workers[number % 2].finished(each) for number, each in enumerate(contents))
    )
    assert len(set(paths)) == 40
    for number, (path, content) in enumerate(zip(paths, contents, strict=True)):
        assert (await workers[number % 3 % 2].get(path)).body == content


# --- Hand-over ---


@pytest.mark.parametrize("received", RECEIVED)
async def test_head_at_another_worker_answers_soon_with_what_came(
    workers: list[TusServer], received: int
) -> None:
    one, other = workers
    path = await one.create(LENGTH)
    async with one.raw() as connection:
        await hang(connection, path, received)
        began = time.monotonic()
        head = await other.head(path)
        assert time.monotonic() - began < SOON
        assert (head.status, head.offset) == (200, received)
        assert (await connection.receive()).status == 423
    assert (await other.patch(path, received, CONTENT[received:])).status == 204
    assert (await one.get(path)).body == CONTENT


async def test_delete_at_another_worker_ends_the_transfer(workers: list[TusServer]) -> None:
    one, other = workers
    path = await one.create(LENGTH)
    async with one.raw() as connection:
        await hang(connection, path, 70_000)
        assert (await other.delete(path)).status == 204
        assert (await connection.receive()).status in (404, 423)
    assert not one.stored()


async def test_resent_patch_at_another_worker_is_told_the_offset(workers: list[TusServer]) -> None:
    """Chromium sends the same PATCH again by itself after a reset, before any HEAD."""
    one, other = workers
    path = await one.create(LENGTH)
    async with one.raw() as connection:
        await hang(connection, path, 70_000)
        answer = await other.patch(path, 0, CONTENT)
        assert (answer.status, answer.offset) == (409, 70_000)
    assert (await one.patch(path, 70_000, CONTENT[70_000:])).status == 204
    assert (await other.get(path)).body == CONTENT


async def test_racing_patches_never_double_or_mix_bytes(workers: list[TusServer]) -> None:
    for _ in range(5):
        path = await workers[0].create(LENGTH)
        offset, rounds = 0, 0
        while offset < LENGTH and rounds < 50:
            rounds += 1
            answers = await asyncio.gather(
                *(worker.patch(path, offset, CONTENT[offset:]) for worker in workers * 2)
            )
            assert {answer.status for answer in answers} <= {204, 409, 423}
            assert sum(answer.status == 204 for answer in answers) <= 1
            offset = (await workers[rounds % 2].head(path)).offset
        assert offset == LENGTH
        assert (await workers[1].get(path)).body == CONTENT


async def test_many_who_come_back_at_once_all_get_an_answer(workers: list[TusServer]) -> None:
    path = await workers[0].create(LENGTH)
    async with workers[0].raw() as connection:
        await hang(connection, path, 7)
        heads = await asyncio.gather(*(workers[number % 2].head(path) for number in range(20)))
        assert {(head.status, head.offset) for head in heads} == {(200, 7)}


# --- Concatenation ---


async def finals(workers: list[TusServer], parts: list[str]) -> list[Answer]:
    header = {"Upload-Concat": f"final;{' '.join(parts)}"}
    return await asyncio.gather(
        *(worker.request("POST", worker.prefix, header) for worker in workers)
    )


async def test_parts_of_all_workers_are_joined_by_any(workers: list[TusServer]) -> None:
    pieces = [os.urandom(200_000) for _ in range(4)]
    partial = {"Upload-Concat": "partial"}
    parts = [
        await workers[number % 2].finished(piece, partial) for number, piece in enumerate(pieces)
    ]
    answers = await finals(workers, parts)
    assert [answer.status for answer in answers] == [201, 201]
    for answer in answers:
        for worker in workers:
            got = await worker.get(await joined(worker, answer.headers["Location"]))
            assert got.body == b"".join(pieces)


async def test_final_is_joined_once_when_both_workers_finish_its_parts(
    workers: list[TusServer],
) -> None:
    """Whoever comes second must not take the data of a finished upload for a leftover."""
    partial = {"Upload-Concat": "partial"}
    for _ in range(5):
        parts = [await worker.create(70_000, partial) for worker in workers]
        [answer] = await finals(workers[:1], parts)
        await asyncio.gather(
            *(
                worker.patch(part, 0, CONTENT[:70_000])
                for worker, part in zip(workers, parts, strict=True)
            )
        )
        path = await joined(workers[1], answer.headers["Location"])
        assert (await workers[0].get(path)).body == CONTENT[:70_000] * 2


async def joined(worker: TusServer, path: str) -> str:
    async with asyncio.timeout(10):
        while "Upload-Offset" not in (await worker.head(path)).headers:
            await asyncio.sleep(0.01)
    return path


# --- Housekeeping ---


async def test_one_worker_keeps_house_for_all(data_dir: Path) -> None:
    async with run_workers(data_dir, 3, expire_after=0.2, sweep_interval=0.1) as workers:
        for worker in workers:
            await worker.create(100)
        async with asyncio.timeout(10):
            while workers[0].stored():
                await asyncio.sleep(0.05)


async def test_worker_that_ends_leaves_what_it_has_to_the_others(data_dir: Path) -> None:
    async with run_workers(data_dir, 2) as workers:
        one, other = workers
        path = await one.create(LENGTH)
        async with one.raw() as connection:
            await hang(connection, path, 70_000)
            await one.app.shutdown()  # what the end of a worker begins with
            assert (await connection.receive()).status == 503
        head = await other.head(path)
        assert (head.status, head.offset) == (200, 70_000)
        answer = await other.request(
            "PATCH", path, {"Upload-Offset": "70000", **OCTETS}, CONTENT[70_000:]
        )
        assert answer.status == 204
        assert (await other.get(path)).body == CONTENT
