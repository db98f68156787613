"""Termination: DELETE removes an upload for good."""

import asyncio

import pytest

from tests.harness import TusServer
from tests.protocol.test_concatenation import joined

UNKNOWN = "/files/" + "0" * 32


@pytest.mark.parametrize("body", [b"", b"hello", b"hello world"])
async def test_is_204_and_frees_the_space(server: TusServer, body: bytes) -> None:
    path = await server.create(11)
    await server.patch(path, 0, body)
    answer = await server.delete(path)
    assert (answer.status, answer.body) == (204, b"")
    assert server.stored() == {}


@pytest.mark.parametrize("finished", [False, True])
async def test_the_url_is_404_from_then_on(server: TusServer, finished: bool) -> None:
    path = await server.finished(b"hello") if finished else await server.create(5)
    await server.delete(path)
    head = await server.head(path)
    assert head.status == 404
    assert "Upload-Offset" not in head.headers
    assert (await server.patch(path, 0, b"hello")).status == 404
    assert (await server.get(path)).status == 404
    assert (await server.delete(path)).status == 404


async def test_of_an_unknown_upload_is_404(server: TusServer) -> None:
    assert (await server.delete(UNKNOWN)).status == 404


async def test_of_several_at_once_one_is_204_and_the_others_404(server: TusServer) -> None:
    path = await server.finished(b"hello")
    answers = await asyncio.gather(*(server.delete(path) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [204, 404, 404, 404, 404]


async def test_leaves_other_uploads_alone(server: TusServer) -> None:
    kept, gone = await server.finished(b"kept"), await server.finished(b"gone")
    await server.delete(gone)
    assert (await server.get(kept)).body == b"kept"


async def test_of_a_part_leaves_the_final_upload_whole(server: TusServer) -> None:
    part = await server.finished(b"hello", {"Upload-Concat": "partial"})
    final = await joined(server, part)
    assert (await server.delete(part)).status == 204
    assert (await server.get(final)).body == b"hello"


async def test_of_a_final_upload_leaves_its_parts(server: TusServer) -> None:
    part = await server.finished(b"hello", {"Upload-Concat": "partial"})
    final = await joined(server, part)
    assert (await server.delete(final)).status == 204
    assert (await server.get(final)).status == 404
    assert (await server.head(part)).offset == 5


@pytest.mark.settings(disabled_extensions=("termination",))
async def test_is_405_and_not_announced_where_it_is_disabled(server: TusServer) -> None:
    assert "termination" not in (await server.options()).headers["Tus-Extension"].split(",")
    path = await server.create(5)
    answer = await server.delete(path)
    assert answer.status == 405
    assert "DELETE" not in answer.headers["Allow"]
    assert (await server.head(path)).status == 200
