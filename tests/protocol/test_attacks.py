"""Attacks that no other file of tests tries; docs/threat-model.md has all of them."""

import asyncio
import os
import secrets
import stat
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import TusServer, request_head, run_server
from tests.protocol.test_concatenation import PARTIAL
from tusd_py.config.model import Settings
from tusd_py.listening import open_tls

SECRET = b"of somebody else"


def file_of(server: TusServer, path: str) -> Path:
    name = path.rpartition("/")[2]
    return server.data_dir / "uploads" / name[:2] / name


def put_link(file: Path, content: bytes) -> Path:
    """Put a link to *content*, outside the data directory, in the place of *file*; return that."""
    outside = file.parents[3] / "outside"
    outside.write_bytes(content)
    file.unlink()
    file.symlink_to(outside)
    return outside


class TestLinkInTheDataDirectory:
    async def test_is_not_read(self, server: TusServer) -> None:
        path = await server.finished(SECRET)
        put_link(file_of(server, path), SECRET[::-1])
        answer = await server.get(path)
        assert (answer.status, answer.body) == (500, b"")

    async def test_is_not_joined(self, server: TusServer) -> None:
        part = await server.finished(SECRET, PARTIAL)
        put_link(file_of(server, part), SECRET[::-1])
        answer = await server.request("POST", "/files/", {"Upload-Concat": f"final;{part}"})
        assert answer.status == 500

    @pytest.mark.parametrize("length", [10, 2_000_000])
    async def test_is_not_written_through(self, server: TusServer, length: int) -> None:
        path = await server.create(length)
        outside = put_link(file_of(server, path), SECRET)
        assert (await server.patch(path, 0, bytes(length))).status == 500
        assert outside.read_bytes() == SECRET


@pytest.fixture
def _careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_careless_umask")
async def test_files_are_the_servers_alone_whatever_the_umask(data_dir: Path) -> None:
    async with run_server(data_dir, metrics=True) as server:
        await server.finished(SECRET)
        modes = modes_below(data_dir)
    assert modes.pop(".") & stat.S_IRWXO == 0
    assert modes.keys() > {"state.sqlite3", "state.sqlite3-wal", "uploads", "locks"}
    others = stat.S_IRWXG | stat.S_IRWXO
    assert [name for name, mode in modes.items() if mode & others] == []


def modes_below(directory: Path) -> dict[str, int]:
    """Return the modes of *directory* and all below but sockets, which their directory guards."""
    found = [directory, *directory.rglob("*")]
    return {
        str(path.relative_to(directory)): path.lstat().st_mode
        for path in found
        if not path.is_socket()
    }


async def test_ids_are_random_beyond_guessing(
    server: TusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def token_hex(count: int | None = None) -> str:
        asked.append(count)
        return "ab" * 16

    monkeypatch.setattr(secrets, "token_hex", token_hex)
    assert await server.create(5) == "/files/" + "ab" * 16
    assert asked == [16]  # bytes of the kernel's


@pytest.mark.parametrize("path", ["/", "/files/", "/files/" + "0" * 32, "/healthz"])
async def test_trace_gives_no_secret_back(server: TusServer, path: str) -> None:
    async with server.raw() as connection:
        await connection.send(request_head("TRACE", path, "Authorization: Bearer hunter2"))
        answer = await connection.receive()
    assert answer.status == 405
    assert "hunter2" not in answer.text + repr(answer.headers)


async def test_words_of_a_request_are_no_page(server: TusServer) -> None:
    for accept in ("text/html", "text/plain"):
        headers = {"Upload-Length": "5", "Upload-Metadata": "<script> !", "Accept": accept}
        answer = await server.request("POST", "/files/", headers)
        assert answer.status == 400
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "html" not in answer.headers["Content-Type"]


async def test_a_refused_body_is_not_unpacked(server: TusServer) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    eight_mib = packer.compress(bytes(8 * 2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = begin + 128 * eight_mib
    lines = ("Content-Type: application/offset+octet-stream", "Content-Encoding: gzip")
    async with server.raw() as connection:
        began = time.process_time()
        head = request_head("POST", "/files/", "Upload-Length: 5", *lines, length=len(bomb))
        await connection.send(head.encode() + bomb)
        assert (await connection.receive()).status == 415
        await asyncio.sleep(0.5)  # in which it was unpacked, in nearly as many seconds of CPU
        assert time.process_time() - began < 0.15
    await server.assert_still_works()


def test_old_tls_is_not_spoken(certificate: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tls_certificate=certificate, tls_key=certificate)
    context = open_tls(settings)
    assert context is not None
    assert context.minimum_version.name in {"TLSv1_2", "TLSv1_3"}
