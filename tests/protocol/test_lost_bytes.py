"""Bytes that are gone, as after a power cut with relaxed durability, are asked for anew."""

import os
from pathlib import Path

from tests.harness import TusServer

CONTENT = b"0123456789" * 10


def only_file(server: TusServer) -> Path:
    (name,) = server.stored()
    return server.data_dir / name


async def test_offset_is_never_beyond_the_bytes(server: TusServer) -> None:
    path = await server.create(100)
    assert (await server.patch(path, 0, CONTENT[:50])).status == 204
    os.truncate(only_file(server), 20)
    answer = await server.head(path)
    assert (answer.status, answer.offset) == (200, 20)
    assert (await server.patch(path, 20, CONTENT[20:])).status == 204
    assert (await server.get(path)).body == CONTENT


async def test_client_that_does_not_ask_is_told_where_to_resume(server: TusServer) -> None:
    path = await server.create(100)
    assert (await server.patch(path, 0, CONTENT[:50])).status == 204
    os.truncate(only_file(server), 20)
    answer = await server.patch(path, 50, CONTENT[50:])
    assert (answer.status, answer.offset) == (409, 20)
    assert (await server.patch(path, 20, CONTENT[20:])).status == 204
    assert (await server.get(path)).body == CONTENT


async def test_finished_upload_that_is_not_whole_is_no_longer_one(server: TusServer) -> None:
    """A client that still has the file creates it anew; whoever reads gets no half of it."""
    path = await server.finished(CONTENT)
    os.truncate(only_file(server), 20)
    assert (await server.head(path)).status == 404
    assert (await server.get(path)).status == 500


async def test_missing_volume_is_not_taken_for_lost_bytes(server: TusServer) -> None:
    path = await server.create(100)
    assert (await server.patch(path, 0, CONTENT[:50])).status == 204
    uploads = server.data_dir / "uploads"
    uploads.rename(server.data_dir / "elsewhere")
    assert (await server.head(path)).status == 423
    assert (await server.patch(path, 50, CONTENT[50:])).status == 500
    (server.data_dir / "elsewhere").rename(uploads)
    assert (await server.head(path)).offset == 50
    assert (await server.patch(path, 50, CONTENT[50:])).status == 204
    assert (await server.get(path)).body == CONTENT
