"""aiotus, which needs an absolute Location, uploads through nginx with a prefix and without."""

from collections.abc import Callable, Iterator
from io import BytesIO

import aiotus
import pytest
from yarl import URL

from tests.clients.conftest import MIB, StartServer
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import Interrupting, StartNginx
from tests.proxies.exchange import exchange

# aiohttp, which it sends with, warns of chunks above 1 MiB.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

CONTENT = bytes(range(251)) * (5 * MIB // 251)
METADATA = {"filename": "Überweisung.pdf".encode(), "empty": None}
PATIENT = aiotus.RetryConfiguration(retry_attempts=30, max_retry_period_seconds=0.3)


ABSOLUTE = ("--location", "absolute", "--trusted-proxies", "127.0.0.1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("server"), *ABSOLUTE) as running:
        yield running


@pytest.fixture
def mortal(start_server: StartServer) -> RunningServer:
    return start_server(*ABSOLUTE)


@pytest.fixture(params=["", "/storage"], ids=["no prefix", "prefix that nginx takes away"])
def endpoint(server: RunningServer, start_nginx: StartNginx, request: pytest.FixtureRequest) -> str:
    return f"{start_nginx(server, prefix=request.param)}{request.param}/files/"


async def test_a_file_arrives_with_its_metadata(endpoint: str) -> None:
    url = await aiotus.upload(endpoint, BytesIO(CONTENT), METADATA)

    assert str(url).startswith(endpoint)
    assert exchange("GET", str(url)).body == CONTENT
    assert await aiotus.metadata(str(url)) == METADATA


async def test_files_are_joined(endpoint: str) -> None:
    files = [BytesIO(CONTENT[:MIB]), BytesIO(CONTENT[MIB : 2 * MIB]), BytesIO(CONTENT[2 * MIB :])]

    # It names the parts by their paths alone, in which the prefix is one the server never saw.
    url = await aiotus.upload_multiple(endpoint, files, METADATA)

    assert str(url).startswith(endpoint)
    assert arrived(url) == CONTENT


def arrived(url: URL | None) -> bytes:
    """Return the content of a final upload once its parts are joined."""
    answer = exchange("GET", str(url))
    while answer.status == 404 and exchange("HEAD", str(url)).status == 200:
        answer = exchange("GET", str(url))
    return answer.body


async def test_a_crash_costs_a_retry(
    mortal: RunningServer, start_nginx: StartNginx, crash_for_a_moment: Callable[[], None]
) -> None:
    endpoint = f"{start_nginx(mortal)}/files/"
    file = Interrupting(CONTENT, 3 * MIB, crash_for_a_moment)

    url = await aiotus.upload(endpoint, file, config=PATIENT, chunksize=MIB)

    assert exchange("GET", str(url)).body == CONTENT
    assert mortal.log().count("POST /files/ 201") == 1
