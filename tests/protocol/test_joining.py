"""Concatenation: large parts take longer than a client should wait, so joining goes on."""

import asyncio
import errno
import time

import pytest

from tests.harness import TusServer
from tests.protocol.test_concatenation import final, part, until_joined
from tusd_py.storage import syscalls


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every part take so long that the creation is answered before the joining ends."""
    copy = syscalls.copy_range

    def copy_slowly(*arguments: int) -> None:
        time.sleep(0.15)
        copy(*arguments)

    monkeypatch.setattr(syscalls, "copy_range", copy_slowly)


@pytest.mark.usefixtures("slow")
async def test_head_shows_no_offset_until_it_is_done(server: TusServer) -> None:
    urls = [await part(server, b"hello"), await part(server, b" world")]
    answer = await final(server, *urls)
    path = answer.headers["Location"]
    head = await server.head(path)
    assert (answer.status, head.status, head.headers["Upload-Length"]) == (201, 200, "11")
    assert "Upload-Offset" not in head.headers
    assert (await server.get(path)).status == 404
    assert (await server.patch(path, 0, b"hello")).status == 403
    assert (await until_joined(server, path)).offset == 11
    assert (await server.get(path)).body == b"hello world"


@pytest.mark.usefixtures("slow")
async def test_parts_may_be_terminated_once_the_creation_is_answered(server: TusServer) -> None:
    urls = [await part(server, b"hello"), await part(server, b" world")]
    path = (await final(server, *urls)).headers["Location"]
    for url in urls:
        assert (await server.delete(url)).status in {204, 423}
    await until_joined(server, path)
    assert (await server.get(path)).body == b"hello world"


@pytest.mark.usefixtures("slow")
async def test_a_final_upload_may_be_terminated_meanwhile(server: TusServer) -> None:
    urls = [await part(server, b"hello"), await part(server, b" world")]
    path = (await final(server, *urls)).headers["Location"]
    assert (await server.delete(path)).status == 204
    await asyncio.sleep(0.4)
    assert (await server.head(path)).status == 404
    assert len(server.stored()) == 2


@pytest.mark.settings(sweep_interval=0.1)
async def test_a_failure_is_made_good_without_a_restart(
    server: TusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_late(*_: int) -> None:
        time.sleep(0.15)
        raise OSError(errno.EIO, "a passing failure")

    url = await part(server, b"hello")
    with monkeypatch.context() as patched:
        patched.setattr(syscalls, "copy_range", fail_late)
        path = (await final(server, url)).headers["Location"]
        await asyncio.sleep(0.3)
    assert (await until_joined(server, path)).offset == 5
    assert (await server.get(path)).body == b"hello"
