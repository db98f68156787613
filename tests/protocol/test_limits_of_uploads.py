"""What uploads count whose length is deferred, or which are made of parts; and until when."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import OCTETS, TusServer, patch_head, run_server
from tests.protocol.limited import creation, told
from tests.protocol.test_concatenation import until_joined

EXPECT = "Expect: 100-continue"
PARTIAL = {"Upload-Concat": "partial"}


# --- Deferred length ---

DEFERRED = {"Upload-Defer-Length": "1"}


@pytest.mark.settings(max_stored_per_owner=100)
async def test_length_that_is_declared_too_late_is_refused_before_the_body(
    server: TusServer,
) -> None:
    path = await server.create(headers=DEFERRED)
    assert (await server.patch(path, 0, b"hello")).status == 204
    for extra, length in (("Upload-Length: 101", 5), ("X-Nothing: 1", 96)):
        async with server.raw() as connection:
            await connection.send(patch_head(path, 5, EXPECT, extra, length=length))
            assert (await connection.receive()).status == 413
    assert (await server.head(path)).offset == 5
    last = await server.patch(path, 5, b"x" * 95, {"Upload-Length": "100"})
    assert last.status == 204


@pytest.mark.settings(max_stored_per_owner=100_000, checkpoint_bytes=20_000)
async def test_body_of_no_known_length_ends_where_it_is_too_much(server: TusServer) -> None:
    path = await server.create(headers=DEFERRED)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_000
            await asyncio.sleep(0.01)

    answer = await server.patch(path, 0, endless())
    assert told(answer)[:2] == (413, "too_much_stored")
    assert 0 < ((await server.head(path)).offset or 0) <= 100_000
    assert (await creation(server, 100_000)).status == 413


@pytest.mark.settings(max_stored_per_owner=10)
async def test_creation_of_no_known_length_that_is_too_much_leaves_nothing(
    server: TusServer,
) -> None:
    refused = await server.request("POST", "/files/", {**DEFERRED, **OCTETS}, b"x" * 11)
    assert refused.status == 413
    assert server.stored() == {}
    assert (await creation(server, 10)).status == 201


# --- Final uploads ---


@pytest.mark.settings(max_stored_per_owner=10, max_open_uploads_per_owner=3)
async def test_parallel_upload_needs_room_for_its_size_once(server: TusServer) -> None:
    parts = [await server.create(5, PARTIAL) for _ in range(2)]
    for part in parts:
        assert (await server.patch(part, 0, b"hello")).status == 204
    final = await server.create(headers={"Upload-Concat": f"final;{' '.join(parts)}"})
    await until_joined(server, final)
    assert (await server.get(final)).body == b"hellohello"
    again = await server.request(
        "POST", "/files/", {"Upload-Concat": f"final;{' '.join(reversed(parts))}"}
    )
    assert again.status == 413
    for part in parts:
        assert (await server.delete(part)).status == 204
    assert (await creation(server, 1)).status == 413
    assert (await server.delete(final)).status == 204
    assert (await creation(server, 10)).status == 201


@pytest.mark.settings(max_stored_per_owner=15)
async def test_final_whose_parts_turn_out_too_long_is_rejected(server: TusServer) -> None:
    part = await server.create(headers={**PARTIAL, **DEFERRED})
    finals = [
        await server.create(headers={"Upload-Concat": f"final;{part}", "Upload-Metadata": name})
        for name in ("a", "b")
    ]
    done = await server.patch(part, 0, b"hellohello", {"Upload-Length": "10"})
    assert done.status == 204
    async with asyncio.timeout(5):
        while 410 not in (statuses := [(await server.head(each)).status for each in finals]):
            await asyncio.sleep(0.05)
    assert sorted(statuses) == [200, 410]


# --- What gives room back ---


async def test_expiry_gives_room_back(data_dir: Path) -> None:
    now = 1_000_000.0
    limits: dict[str, Any] = {"max_open_uploads_per_owner": 1, "max_stored_per_owner": 5}
    running = run_server(data_dir, clock=lambda: now, expire_after=60, **limits)
    async with running as server:
        await server.create(5)
        assert (await creation(server)).status in (413, 429)
        now += 61
        assert (await creation(server)).status == 201
