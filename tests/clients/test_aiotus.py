"""aiotus, another Python client, uploads, goes on after a crash, and joins files into one."""

import io
import logging
import random
import time
from collections.abc import Iterator

import aiotus
import pytest

from tests.clients.conftest import MIB, StartServer
from tests.clients.running_server import RunningServer, ask

#: Tries again at once, and for longer than a restart takes; its own waits grow up to a minute.
PATIENT = aiotus.RetryConfiguration(retry_attempts=50, max_retry_period_seconds=0.1)
#: aiohttp, which this client sends with, warns of larger ones.
CHUNK = MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server whose Location is a whole URL, for this client takes no other."""
    with RunningServer(tmp_path_factory.mktemp("server"), "--location", "absolute") as running:
        yield running


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def assert_arrived(url: object, content: bytes) -> None:
    """What the server gives back at *url* is *content*, once its parts are joined."""
    assert url is not None
    deadline = time.monotonic() + 20
    while "Upload-Offset" not in ask("HEAD", str(url)).headers:
        assert time.monotonic() < deadline, "it is never joined"
        time.sleep(0.02)
    answer = ask("GET", str(url))
    assert answer.status == 200
    assert answer.body == content


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 1])
async def test_file_arrives(server: RunningServer, size: int) -> None:
    content = content_of(size)
    url = await aiotus.upload(server.endpoint, io.BytesIO(content), chunksize=CHUNK)
    assert_arrived(url, content)


async def test_metadata_may_be_any_bytes_or_none(server: RunningServer) -> None:
    metadata = {
        "filename": "Überweisung.pdf".encode(),
        "everything": bytes(range(256)),
        "nothing": None,
    }
    url = await aiotus.upload(server.endpoint, io.BytesIO(b"hello"), metadata)
    assert url is not None
    assert await aiotus.metadata(url) == metadata


async def test_no_metadata_is_none(server: RunningServer) -> None:
    url = await aiotus.upload(server.endpoint, io.BytesIO(b"hello"))
    assert url is not None
    assert await aiotus.metadata(url) == {}


class InterruptedFile(io.BytesIO):
    """A file that lets the server crash and come back when *at* bytes of it have been read."""

    def __init__(self, content: bytes, server: RunningServer, at: int) -> None:
        super().__init__(content)
        self._server = server
        self._at = at

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() == self._at:
            self._at = -1
            self._server.kill()
            self._server.start()
        return super().read(size)


async def test_upload_goes_on_after_a_crash_of_the_server(start_server: StartServer) -> None:
    server = start_server("--location", "absolute")
    content = content_of(5 * MIB + 1)
    file = InterruptedFile(content, server, at=3 * MIB)
    url = await aiotus.upload(server.endpoint, file, config=PATIENT, chunksize=CHUNK)
    assert_arrived(url, content)
    assert server.log().count(" POST /files/ 201 ") == 1, "it was begun anew"


async def test_many_files_become_one(server: RunningServer) -> None:
    contents = [content_of(size) for size in (MIB + 1, 3, 2 * MIB, 0, 700_000)]
    files = [io.BytesIO(content) for content in contents]
    metadata = {"filename": b"whole.bin"}
    url = await aiotus.upload_multiple(server.endpoint, files, metadata, chunksize=CHUNK)
    assert url is not None
    assert_arrived(url, b"".join(contents))
    assert await aiotus.metadata(url) == metadata


async def test_path_alone_is_no_location_for_it(
    start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server("--location", "relative")
    with caplog.at_level(logging.ERROR, logger="aiotus"):
        assert await aiotus.upload(server.endpoint, io.BytesIO(b"hello")) is None
    assert "starting from slash is forbidden" in caplog.text
