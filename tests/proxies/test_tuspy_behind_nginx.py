"""tuspy uploads through nginx, and outlives a server that crashes in the middle."""

from collections.abc import Callable

import pytest
from tusclient.client import TusClient

from tests.clients.conftest import MIB, MakeFile
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import Interrupting, StartNginx
from tests.proxies.exchange import exchange

# tuspy opens the file for each thing it wants to know of it, and leaves the closing to Python.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

CONTENT = bytes(range(251)) * (5 * MIB // 251)
#: Tries again for as long as a restart may take.
PATIENT = {"retries": 30, "retry_delay": 0.3}


def test_a_new_client_goes_on_where_another_stopped(endpoint: str, make_file: MakeFile) -> None:
    file = make_file(5 * MIB + 1)
    first = TusClient(endpoint).uploader(str(file), chunk_size=MIB, upload_checksum=True)
    first.upload(stop_at=3 * MIB)

    second = TusClient(endpoint).uploader(str(file), url=first.url)

    assert second.offset == 3 * MIB
    second.upload()
    assert second.url is not None
    assert exchange("GET", second.url).body == file.read_bytes()


def test_a_crash_costs_a_retry(
    mortal: RunningServer, start_nginx: StartNginx, crash_for_a_moment: Callable[[], None]
) -> None:
    file = Interrupting(CONTENT, 3 * MIB, crash_for_a_moment)
    uploader = TusClient(f"{start_nginx(mortal)}/files/").uploader(
        file_stream=file, chunk_size=MIB, upload_checksum=True, **PATIENT
    )

    uploader.upload()

    assert uploader.url is not None
    assert exchange("GET", uploader.url).body == CONTENT
    assert mortal.log().count("POST /files/ 201") == 1


async def test_a_crash_costs_the_asynchronous_client_a_retry(
    mortal: RunningServer, start_nginx: StartNginx, crash_for_a_moment: Callable[[], None]
) -> None:
    file = Interrupting(CONTENT, 3 * MIB, crash_for_a_moment)
    uploader = TusClient(f"{start_nginx(mortal)}/files/").async_uploader(
        file_stream=file, chunk_size=MIB, **PATIENT
    )

    await uploader.upload()

    assert uploader.url is not None
    assert exchange("GET", uploader.url).body == CONTENT
