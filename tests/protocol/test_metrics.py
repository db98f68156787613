"""What happens to uploads, requests and connections is counted, and shown at /metrics."""

import asyncio

import pytest

from tests.harness import TusServer, patch_head, request_head
from tests.unit.test_metrics import figures

pytestmark = pytest.mark.settings(metrics=True)


async def counted(server: TusServer) -> dict[str, float]:
    answer = await server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return figures(answer.body)


@pytest.mark.settings(metrics=False)
async def test_nothing_is_shown_unless_it_is_asked_for(server: TusServer) -> None:
    assert (await server.get("/metrics")).status == 404


async def test_a_life_of_an_upload(server: TusServer) -> None:
    path = await server.create(300_000)
    await server.patch(path, 0, bytes(200_000))
    await server.head(path)
    await server.patch(path, 200_000, bytes(100_000))
    await server.delete(await server.create(5))
    shown = await counted(server)
    assert shown["tusd_py_uploads_created_total"] == 2
    assert shown["tusd_py_uploads_finished_total"] == 1
    assert shown["tusd_py_uploads_terminated_total"] == 1
    assert shown["tusd_py_received_bytes_total"] == 300_000
    assert shown["tusd_py_transfers"] == 0
    assert shown["tusd_py_connections"] >= 1
    for method, status, count in [
        ("POST", 201, 2),
        ("PATCH", 204, 2),
        ("HEAD", 200, 1),
        ("DELETE", 204, 1),
    ]:
        labels = f'{{method="{method}",status="{status}"}}'
        assert shown[f"tusd_py_requests_total{labels}"] == count
    assert shown['tusd_py_request_seconds_count{method="HEAD"}'] == 1
    assert shown['tusd_py_request_seconds_count{method="POST"}'] == 2


async def test_transfers_are_seen_while_they_are_under_way(server: TusServer) -> None:
    path = await server.create(500_000)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=500_000).encode() + bytes(200_000))
        async with asyncio.timeout(10):
            while (shown := await counted(server))["tusd_py_received_bytes_total"] < 65_536:
                await asyncio.sleep(0.01)
        assert shown["tusd_py_transfers"] == 1
    async with asyncio.timeout(10):
        while (shown := await counted(server))["tusd_py_transfers"]:
            await asyncio.sleep(0.01)
    assert shown['tusd_py_transfers_ended_early_total{code="disconnected"}'] == 1
    assert shown["tusd_py_received_bytes_total"] == 200_000


@pytest.mark.settings(metrics=True, idle_timeout=0.2, header_timeout=0.2)
async def test_limits_of_time(server: TusServer) -> None:
    path = await server.create(500)
    async with server.raw() as silent, server.raw() as late:
        await silent.send(patch_head(path, 0, length=500))
        await late.send("HEAD")
        assert await silent.is_closed()
        assert await late.is_closed()
    shown = await counted(server)
    assert shown['tusd_py_transfers_ended_early_total{code="idle_timeout"}'] == 1
    assert shown["tusd_py_header_timeouts_total"] == 1


@pytest.mark.settings(metrics=True, min_rate=1000, min_rate_window=0.2)
async def test_limits_of_rate(server: TusServer) -> None:
    path = await server.create(500)
    async with server.raw() as slow:
        await slow.send(patch_head(path, 0, length=500) + "x")
        assert await slow.is_closed()
    shown = await counted(server)
    assert shown['tusd_py_transfers_ended_early_total{code="too_slow"}'] == 1


@pytest.mark.settings(metrics=True, max_connections=2, max_open_uploads_per_address=1)
async def test_limits_of_number(server: TusServer) -> None:
    await server.create(5)
    await server.request("POST", "/files/", {"Upload-Length": "5"})
    async with server.raw() as inside:
        await inside.send(request_head("OPTIONS", "/files/"))
        await inside.receive()
        async with server.raw() as refused:
            assert (await refused.receive()).status == 503
        shown = await counted(server)
    assert shown["tusd_py_connections"] == 2
    assert shown['tusd_py_connections_refused_total{limit="max_connections"}'] == 1
    assert shown['tusd_py_requests_refused_total{code="too_many_uploads"}'] == 1


async def test_no_name_of_an_upload_or_a_client_becomes_a_label(server: TusServer) -> None:
    path = await server.finished(b"hello", {"Upload-Metadata": "filename c2VjcmV0"})
    await server.get(path)
    await server.request("MADEUP", path)
    text = (await server.get("/metrics")).text
    for secret in (path.rpartition("/")[2], "127.0.0.1", "secret", "MADEUP"):
        assert secret not in text


async def test_connections_are_counted_out(server: TusServer) -> None:
    for _ in range(5):
        async with server.raw() as connection:
            await connection.send(request_head("OPTIONS", "/files/"))
            await connection.receive()

    async def left() -> float:
        return (await counted(server))["tusd_py_connections"]

    async with asyncio.timeout(10):
        while await left() > 1:
            await asyncio.sleep(0.01)
