"""tuspy, the Python client, uploads and resumes."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
from tusclient.uploader.uploader import AsyncUploader, Uploader

from tests.clients.conftest import MIB, MakeFile
from tests.clients.running_server import RunningServer, ask

# tuspy opens the file for each thing it wants to know of it, and leaves the closing to Python.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FileStorage]:
    storage = FileStorage(str(tmp_path / "urls.json"))
    yield storage
    storage.close()


def assert_arrived(uploader: Uploader | AsyncUploader, file: Path) -> None:
    """What the server gives back is *file*, byte for byte."""
    assert uploader.url is not None
    answer = ask("GET", uploader.url)
    assert answer.status == 200
    assert answer.body == file.read_bytes()


def test_chunks_with_checksums_arrive(server: RunningServer, make_file: MakeFile) -> None:
    file = make_file(5 * MIB + 1)
    uploader = TusClient(server.endpoint).uploader(
        str(file), chunk_size=2 * MIB, upload_checksum=True
    )

    uploader.upload()

    assert_arrived(uploader, file)


def test_the_whole_file_in_one_request_arrives(server: RunningServer, make_file: MakeFile) -> None:
    file = make_file(5 * MIB + 1)
    uploader = TusClient(server.endpoint).uploader(str(file))

    uploader.upload()

    assert_arrived(uploader, file)


def test_an_empty_file_is_finished_at_once(server: RunningServer, make_file: MakeFile) -> None:
    file = make_file(0)
    uploader = TusClient(server.endpoint).uploader(str(file), metadata={"filename": "empty"})

    uploader.upload()

    assert_arrived(uploader, file)


def test_metadata_is_given_back_as_sent(server: RunningServer, make_file: MakeFile) -> None:
    metadata = {"filename": "Überweisung.pdf", "note": "", "type": "application/pdf"}
    uploader = TusClient(server.endpoint).uploader(str(make_file(100)), metadata=metadata)

    uploader.upload()

    assert uploader.url is not None
    sent_back = ask("HEAD", uploader.url).headers["Upload-Metadata"].split(",")
    # On its way a header loses the space that ends it, so "note " may arrive as "note".
    assert [pair.rstrip() for pair in sent_back] == [
        f"{key} {b64encode(value.encode()).decode()}".rstrip() for key, value in metadata.items()
    ]


@pytest.mark.parametrize("interruption", ["none", "restart", "crash"])
def test_a_new_client_goes_on_where_the_stored_url_stands(
    server: RunningServer, make_file: MakeFile, storage: FileStorage, interruption: str
) -> None:
    file = make_file(5 * MIB + 1)

    def uploader() -> Uploader:
        return TusClient(server.endpoint).uploader(
            str(file),
            chunk_size=MIB,
            upload_checksum=True,
            store_url=True,
            url_storage=storage,
        )

    first = uploader()
    first.upload(stop_at=3 * MIB)
    if interruption == "restart":
        server.stop()
        server.start()
    elif interruption == "crash":
        server.kill()
        server.start()
    second = uploader()

    assert second.url == first.url
    # An offset that was acknowledged is never lost.
    assert second.offset == 3 * MIB
    second.upload()
    assert_arrived(second, file)


async def test_the_asynchronous_client_uploads_and_resumes(
    server: RunningServer, make_file: MakeFile
) -> None:
    file = make_file(5 * MIB + 1)
    client = TusClient(server.endpoint)
    first = client.async_uploader(str(file), chunk_size=MIB, upload_checksum=True)

    await first.upload(stop_at=3 * MIB)
    # aiohttp, which this client sends with, warns of chunks above 1 MiB.
    second = client.async_uploader(str(file), url=first.url, chunk_size=MIB)

    assert second.offset == 3 * MIB
    await second.upload()
    assert_arrived(second, file)
