"""A thousand uploads at a time come to two workers, and not one fails."""

import asyncio
import hashlib
import random
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import RunningServer
from tests.harness import Answer, RawConnection, patch_head, request_head

COUNT = 1000
SIZE = 96 * 1024
PIECES = 6


@pytest.mark.timeout(120)
async def test_a_thousand_uploads_at_once_all_arrive(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--workers", "2", "--log-level", "warning") as server:
        parts = urlsplit(server.endpoint)
        host, port = str(parts.hostname), int(parts.port or 0)
        everybody_has_begun = asyncio.Barrier(COUNT)
        async with asyncio.TaskGroup() as group:
            for number in range(COUNT):
                group.create_task(upload(host, port, number, everybody_has_begun))
        assert "Traceback" not in server.log()
        assert "error" not in server.log()


async def upload(host: str, port: int, number: int, everybody_has_begun: asyncio.Barrier) -> None:
    """Send one upload in pieces, so that all are under way together, and read it back."""
    content = random.Random(number).randbytes(SIZE)
    reader, writer = await asyncio.open_connection(host, port)
    connection = RawConnection(reader, writer)
    try:
        await connection.send(request_head("POST", "/files/", f"Upload-Length: {SIZE}", length=0))
        path = (await answer(connection, 201)).headers["Location"]
        await connection.send(patch_head(path, 0, length=SIZE))
        for start in range(0, SIZE, SIZE // PIECES):
            await connection.send(content[start : start + SIZE // PIECES])
            if start == 0:
                await everybody_has_begun.wait()
            await asyncio.sleep(0.05)
        assert (await answer(connection, 204)).headers["Upload-Offset"] == str(SIZE)
        await connection.send(request_head("GET", path))
        body = (await answer(connection, 200)).body
        assert hashlib.sha256(body).digest() == hashlib.sha256(content).digest()
    finally:
        writer.close()


async def answer(connection: RawConnection, status: int) -> Answer:
    received = await connection.receive()
    assert received.status == status, received
    return received
