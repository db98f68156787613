"""What each owner, and each address, may have: every limit, what it answers, and what ends it."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness import (
    OCTETS,
    TusServer,
    patch_head,
    request_head,
    run_server,
    run_workers,
)
from tests.protocol.limited import creation, is_silent, told, until_begun
from tusd_py.auth.tokens import new_token, token_line

EXPECT = "Expect: 100-continue"
OCTETS_LINE = f"Content-Type: {OCTETS['Content-Type']}"


# --- Each limit ---


@pytest.mark.settings(max_open_uploads_per_owner=1)
async def test_open_uploads(server: TusServer) -> None:
    path = await server.create(5)
    refused = await creation(server)
    assert told(refused) == (429, "too_many_uploads", "max_open_uploads_per_owner", 1)
    assert int(refused.headers["Retry-After"]) > 0
    assert (await server.patch(path, 0, b"hello")).status == 204
    assert (await creation(server)).status == 201


@pytest.mark.settings(max_stored_per_owner=100)
async def test_stored_bytes(server: TusServer) -> None:
    path = await server.create(60)
    refused = await creation(server, 41)
    assert told(refused) == (413, "too_much_stored", "max_stored_per_owner", 100)
    assert "Retry-After" not in refused.headers
    assert len(server.stored()) == 1
    assert (await server.patch(path, 0, b"x" * 60)).status == 204
    assert (await creation(server, 41)).status == 413
    assert (await creation(server, 40, b"x" * 40)).status == 201
    assert (await server.delete(path)).status == 204
    assert (await creation(server, 60)).status == 201


@pytest.mark.settings(max_stored_per_address=100)
async def test_stored_bytes_of_an_address(server: TusServer) -> None:
    assert (await creation(server, 60, b"x" * 60)).status == 201
    assert told(await creation(server, 41))[2] == "max_stored_per_address"


async def test_creations_per_hour(data_dir: Path) -> None:
    now = 1_000_000.0
    async with run_server(
        data_dir, clock=lambda: now, max_creations_per_hour_per_owner=2
    ) as server:
        assert (await creation(server, 0)).status == 201
        now += 600
        path = await server.create(5)
        await server.delete(path)
        refused = await creation(server, 5, b"hello")
        assert told(refused) == (
            *(429, "too_many_creations", "max_creations_per_hour_per_owner"),
            2,
        )
        assert refused.headers["Retry-After"] == "3000"
        now += 3000
        assert (await creation(server)).status == 201
        assert (await creation(server)).headers["Retry-After"] == "600"


@pytest.mark.settings(max_transfers_per_owner=1, lock_timeout=0.3)
async def test_transfers(server: TusServer) -> None:
    busy, path = [await server.create(10) for _ in range(2)]
    async with server.raw() as connection:
        await connection.send(patch_head(busy, 0, length=10) + "hello")
        await until_begun(server, busy)
        began = time.monotonic()
        refused = await server.patch(path, 0, b"hello")
        assert told(refused) == (423, "too_many_transfers", "max_transfers_per_owner", 1)
        assert time.monotonic() - began >= 0.3
        assert int(refused.headers["Retry-After"]) > 0
        refused = await creation(server, 5, b"hello")
        assert told(refused)[0] == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert len(server.stored()) == 2
        # What is no transfer is not held up.
        assert (await server.head(path)).status == 200
        assert (await server.patch(path, 0, b"")).status == 204
        assert (await creation(server, 5)).status == 201
        await connection.send("world")
        assert (await connection.receive()).status == 204
    assert (await server.patch(path, 0, b"hello")).status == 204


@pytest.mark.settings(max_transfers_per_address=1, lock_timeout=10)
async def test_transfer_waits_for_its_turn(server: TusServer) -> None:
    busy, path = [await server.create(10) for _ in range(2)]
    async with server.raw() as connection, server.raw() as waiting:
        await connection.send(patch_head(busy, 0, length=10) + "hello")
        await until_begun(server, busy)
        await waiting.send(patch_head(path, 0, EXPECT, length=10))
        assert await is_silent(waiting)
        await connection.send("world")
        assert (await connection.receive()).status == 204
        assert (await waiting.receive()).status == 100
        await waiting.send("helloworld")
        assert (await waiting.receive()).status == 204


@pytest.mark.settings(max_transfers_per_owner=1, lock_timeout=5)
async def test_newer_request_takes_over_although_there_is_no_place(server: TusServer) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=10) + "hello")
        await until_begun(server, path)
        began = time.monotonic()
        assert (await server.head(path)).offset == 5
        assert (await server.patch(path, 5, b"world")).status == 204
        assert time.monotonic() - began < 1


@pytest.mark.settings(max_transfers_per_owner=1, lock_timeout=5)
async def test_request_that_waits_for_a_place_makes_way(server: TusServer) -> None:
    busy, path = [await server.create(10) for _ in range(2)]
    async with server.raw() as connection, server.raw() as waiting:
        await connection.send(patch_head(busy, 0, length=10) + "hello")
        await until_begun(server, busy)
        await waiting.send(patch_head(path, 0, length=10) + "hello")
        assert await is_silent(waiting)
        began = time.monotonic()
        assert (await server.head(path)).offset == 0
        assert time.monotonic() - began < 0.5
        assert (await waiting.receive()).status == 423


@pytest.mark.settings(max_rate_per_owner=200_000)
async def test_rate(server: TusServer) -> None:
    paths = [await server.create(60_000) for _ in range(2)]
    began = time.monotonic()
    answers = await asyncio.gather(*(server.patch(path, 0, b"x" * 60_000) for path in paths))
    assert [(answer.status, answer.offset) for answer in answers] == [(204, 60_000)] * 2
    assert 0.45 < time.monotonic() - began < 1.2


@pytest.mark.settings(max_rate_per_address=100_000)
async def test_rate_holds_for_small_bodies_too(server: TusServer) -> None:
    began = time.monotonic()
    for _ in range(10):
        assert (await creation(server, 5000, b"x" * 5000)).status == 201
    assert time.monotonic() - began > 0.35


@pytest.mark.settings(max_rate_per_owner=2000, min_rate=4000, min_rate_window=0.3, idle_timeout=0.5)
async def test_nobody_is_too_slow_who_is_held_up_by_us(server: TusServer) -> None:
    path = await server.create(3000)
    assert (await server.patch(path, 0, b"x" * 3000)).status == 204


@pytest.mark.settings(max_rate_per_owner=1000)
async def test_newer_request_takes_over_from_one_that_is_held_up(server: TusServer) -> None:
    path = await server.create(100_000)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=100_000) + "x" * 20_000)
        await until_begun(server, path)
        began = time.monotonic()
        assert (await server.head(path)).offset == 20_000
        assert time.monotonic() - began < 0.5


# --- Nothing at all ---


@pytest.mark.parametrize(
    ("limit", "with_bytes"),
    [
        ("max_open_uploads_per_owner", False),
        ("max_stored_per_owner", False),
        ("max_creations_per_hour_per_address", False),
        ("max_transfers_per_owner", True),
    ],
)
async def test_limit_of_nothing_is_forbidden(data_dir: Path, limit: str, with_bytes: bool) -> None:
    settings: dict[str, Any] = {limit: 0}
    async with run_server(data_dir) as server:
        path = await server.create(5)
    async with run_server(data_dir, **settings) as server:
        refused = await creation(server, 5, b"hello" if with_bytes else None)
        assert told(refused) == (403, "nothing_allowed", limit, 0)
        assert (await server.head(path)).status == 200
        assert (await server.patch(path, 0, b"hello")).status == (403 if with_bytes else 204)


# --- Before the body ---


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ({"max_open_uploads_per_owner": 1}, 429),
        ({"max_stored_per_owner": 8}, 413),
        ({"max_creations_per_hour_per_owner": 1}, 429),
        ({"max_transfers_per_owner": 0}, 403),
    ],
)
async def test_body_of_what_is_refused_is_not_asked_for(
    data_dir: Path, limit: Mapping[str, Any], status: int
) -> None:
    async with run_server(data_dir, **limit) as server:
        await server.create(5)
        async with server.raw() as connection:
            length = "Upload-Length: 5"
            await connection.send(
                request_head("POST", "/files/", length, EXPECT, OCTETS_LINE, length=5)
            )
            assert (await connection.receive()).status == status
        assert len(server.stored()) == 1


# --- Owners ---


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, dict[str, str]]:
    """A token for each of two owners, as they send it, in a file."""
    lines, headers = [], {}
    for owner in ("ann", "bob"):
        token = new_token()
        lines.append(token_line(token, owner))
        headers[owner] = {"Authorization": f"Bearer {token}"}
    (tmp_path / "tokens").write_text("\n".join(lines))
    return headers


async def test_each_owner_has_limits_of_their_own(
    data_dir: Path, tmp_path: Path, tokens: dict[str, dict[str, str]]
) -> None:
    (tmp_path / "limits.yaml").write_text("bob:\n  open_uploads: 2\n  max_size: 1 KiB\n")
    async with run_server(
        data_dir,
        auth="tokens",
        auth_tokens=tmp_path / "tokens",
        max_open_uploads_per_owner=1,
        owner_limits=tmp_path / "limits.yaml",
    ) as server:
        ann, bob = tokens["ann"], tokens["bob"]
        assert [(await creation(server, headers=ann)).status for _ in range(2)] == [201, 429]
        assert [(await creation(server, headers=bob)).status for _ in range(3)] == [201, 201, 429]
        assert (await creation(server, 1025, headers=bob)).status == 413
        assert "1024 bytes at most" in (await creation(server, 1025, headers=bob)).text


# --- Several workers ---


@pytest.mark.parametrize(
    "limits",
    [
        {"max_open_uploads_per_owner": 3},
        {"max_stored_per_owner": 17},
        {"max_creations_per_hour_per_owner": 3},
    ],
    ids=str,
)
async def test_creations_at_once_on_two_workers_do_not_overshoot(
    data_dir: Path, limits: Mapping[str, Any]
) -> None:
    async with run_workers(data_dir, **limits) as workers:
        answers = await asyncio.gather(*(creation(worker) for worker in workers * 15))
        assert sorted(answer.status for answer in answers)[:4].count(201) == 3
        assert len(workers[0].stored()) == 3
    async with run_workers(data_dir, **limits) as workers:
        assert (await creation(workers[1])).status in (413, 429)


async def test_transfers_on_two_workers_wait_for_each_other(data_dir: Path) -> None:
    limits: dict[str, Any] = {"max_transfers_per_owner": 1, "lock_timeout": 0.2}
    async with run_workers(data_dir, **limits) as (one, other):
        paths = [await one.create(10) for _ in range(2)]
        async with one.raw() as connection:
            await connection.send(patch_head(paths[0], 0, length=10) + "hello")
            await until_begun(one, paths[0])
            assert (await other.patch(paths[1], 0, b"hello")).status == 423
            await connection.send("world")
            assert (await connection.receive()).status == 204
        assert (await other.patch(paths[1], 0, b"hello")).status == 204
