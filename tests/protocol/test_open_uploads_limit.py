"""How many unfinished uploads one address may have."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.harness import OCTETS, TusServer, run_server
from tests.protocol.test_concatenation import until_joined

CREATION = {"Upload-Length": "5"}
LIMIT = pytest.mark.settings(max_open_uploads_per_address=2)


def addresses(data_dir: Path) -> list[str | None]:
    with closing(sqlite3.connect(data_dir / "state.sqlite3")) as db:
        return [row[0] for row in db.execute("SELECT address FROM upload ORDER BY created_at")]


async def status_of_creation(server: TusServer) -> int:
    return (await server.request("POST", "/files/", CREATION)).status


@LIMIT
async def test_one_too_many_is_answered_429_with_a_reason(server: TusServer) -> None:
    for _ in range(2):
        await server.create(5)
    answer = await server.request("POST", "/files/", CREATION)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert '"code": "too_many_uploads"' in answer.text
    assert "2 unfinished uploads" in answer.text
    assert "max_open_uploads_per_address" in answer.text
    assert len(server.stored()) == 2


@LIMIT
async def test_what_is_over_makes_room(server: TusServer) -> None:
    first, second = [await server.create(5) for _ in range(2)]
    assert await status_of_creation(server) == 429
    assert (await server.patch(first, 0, b"hello")).status == 204
    assert await status_of_creation(server) == 201
    assert await status_of_creation(server) == 429
    assert (await server.delete(second)).status == 204
    assert await status_of_creation(server) == 201


@LIMIT
async def test_only_creations_are_refused(server: TusServer) -> None:
    path, _ = [await server.create(5) for _ in range(2)]
    assert await status_of_creation(server) == 429
    assert (await server.head(path)).status == 200
    assert (await server.patch(path, 0, b"he")).offset == 2
    assert (await server.options()).status == 204


@LIMIT
async def test_what_is_finished_at_once_needs_no_room(server: TusServer) -> None:
    for _ in range(2):
        await server.create(5)
    assert await server.create(0)
    # Its bytes come after the row, so a creation with all of them needs room for a moment.
    answer = await server.request("POST", "/files/", {**CREATION, **OCTETS}, b"hello")
    assert answer.status == 429


@LIMIT
async def test_partial_uploads_count(server: TusServer) -> None:
    parts = [await server.create(5, {"Upload-Concat": "partial"}) for _ in range(2)]
    assert await status_of_creation(server) == 429
    for part in parts:
        assert (await server.patch(part, 0, b"hello")).status == 204
    final = await server.create(headers={"Upload-Concat": f"final;{' '.join(parts)}"})
    await until_joined(server, final)
    assert (await server.get(final)).body == b"hellohello"


async def test_expired_uploads_do_not_count(data_dir: Path) -> None:
    now = 1_000_000.0
    running = run_server(
        data_dir, clock=lambda: now, max_open_uploads_per_address=1, expire_after=60
    )
    async with running as server:
        await server.create(5)
        assert await status_of_creation(server) == 429
        now += 61
        assert await status_of_creation(server) == 201


@LIMIT
async def test_another_address_has_a_count_of_its_own(server: TusServer) -> None:
    for _ in range(2):
        await server.create(5)
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        headers = {**CREATION, "Tus-Resumable": "1.0.0"}
        for status in (201, 201, 429):
            async with session.post(server.url, headers=headers) as response:
                assert response.status == status


@LIMIT
async def test_creations_at_once_do_not_overshoot(server: TusServer) -> None:
    statuses = await asyncio.gather(*(status_of_creation(server) for _ in range(20)))
    assert sorted(statuses) == [201] * 2 + [429] * 18
    assert len(server.stored()) == 2


async def test_count_outlives_a_restart_and_its_end(data_dir: Path) -> None:
    async with run_server(data_dir, max_open_uploads_per_address=1) as server:
        await server.create(5)
    async with run_server(data_dir, max_open_uploads_per_address=1) as server:
        assert await status_of_creation(server) == 429
    async with run_server(data_dir) as server:
        assert await status_of_creation(server) == 201


async def test_addresses_are_kept_only_while_they_are_counted(data_dir: Path) -> None:
    async with run_server(data_dir) as server:
        await server.create(5)
    assert addresses(data_dir) == [None]
    async with run_server(data_dir, max_open_uploads_per_address=5) as server:
        path = await server.create(5)
        assert addresses(data_dir) == [None, "127.0.0.1"]
        await server.patch(path, 0, b"hello")
    assert addresses(data_dir) == [None, None]
