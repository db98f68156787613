"""What real clients make of each answer, as docs/clients.md says it in a table."""

import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import aiotus
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.clients.conftest import JAVASCRIPT
from tests.clients.refusing_server import BROKEN, SILENT, Case, RefusingServer
from tusd_py.cli import connection as cli_connection
from tusd_py.cli import uploader
from tusd_py.cli.connection import Connection, Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"
CONTENT = b"hello"
#: What an upload has that a client is about to resume.
BEGUN = CONTENT[:2]
LONG = 20


def table() -> dict[tuple[str, str], dict[int, str]]:
    """Return what the document says: by client and method, what becomes of each answer."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## What clients make of an answer\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    said: dict[tuple[str, str], dict[int, str]] = {}
    for column, title in enumerate(rows[0][1:], 1):
        client, _, methods = title.replace("`", "").partition(": ")
        for method in methods.split(", "):
            said[client, method] = {
                status: row[column] for row in rows[2:] for status in _statuses(row[0])
            }
    return said


def _statuses(cell: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{3}", cell)] or [BROKEN]


SAID = table()


@pytest.fixture(scope="module")
def server() -> Iterator[RefusingServer]:
    with RefusingServer() as running:
        yield running


def outcomes(
    server: RefusingServer, client: str, method: str, attempt: Callable[[Case, str], bool]
) -> dict[int, str]:
    """Return what becomes of each answer, *attempt* being what a client does with a case."""
    found: dict[int, str] = {}
    for status in SAID[client, method]:
        case = server.case(method, status)
        succeeded = attempt(case, case.begun(len(CONTENT), BEGUN))
        found[status] = case.outcome(succeeded=succeeded)
    return found


def test_table_is_about_these_clients_and_answers() -> None:
    methods = {client: {m for c, m in SAID if c == client} for client, _ in SAID}
    assert methods == {
        "tus-js-client": {"POST", "HEAD", "PATCH", "DELETE"},
        "tuspy": {"POST", "HEAD", "PATCH"},
        "aiotus": {"POST", "HEAD", "PATCH"},
        "tusd-py upload": {"POST", "HEAD", "PATCH"},
    }
    for answers in SAID.values():
        assert set(answers) >= {
            *(BROKEN, 200, 201, 204, 400, 401, 403, 404, 409, 410, 412, 413, 415, 423, 429, 460),
            *(500, 502, 503, 504, 507),
        }


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_of_tus_js_client(server: RefusingServer, node: str, method: str) -> None:
    cases = {status: server.case(method, status) for status in SAID["tus-js-client", method]}
    tasks = [
        {"endpoint": case.endpoint, "method": method, "url": case.begun(len(CONTENT), BEGUN)}
        for case in cases.values()
    ]
    command = [node, str(JAVASCRIPT / "statuses.mjs"), json.dumps(tasks)]
    succeeded = json.loads(subprocess.check_output(command, text=True, timeout=LONG))
    found = {
        status: case.outcome(succeeded=done)
        for (status, case), done in zip(cases.items(), succeeded, strict=True)
    }
    assert found == SAID["tus-js-client", method]


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH"])
def test_of_tuspy(server: RefusingServer, method: str) -> None:
    def attempt(case: Case, url: str) -> bool:
        client = TusClient(case.endpoint)
        resumed = url if method == "HEAD" else None
        try:
            client.uploader(
                file_stream=io.BytesIO(CONTENT), url=resumed, retries=2, retry_delay=0
            ).upload()
        except TusCommunicationError:
            return False
        return True

    assert outcomes(server, "tuspy", method, attempt) == SAID["tuspy", method]


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH"])
async def test_of_aiotus(server: RefusingServer, method: str) -> None:
    patience = aiotus.RetryConfiguration(retry_attempts=3, max_retry_period_seconds=0)
    found: dict[int, str] = {}
    for status in SAID["aiotus", method]:
        case = server.case(method, status)
        url = await aiotus.upload(case.endpoint, io.BytesIO(CONTENT), config=patience)
        found[status] = case.outcome(succeeded=url is not None)
    assert found == SAID["aiotus", method]


class Nobody:
    """Watches an upload and does not care."""

    def on_offset(self, offset: int) -> None: ...

    def on_retry(self, failure: object, seconds: float) -> None: ...


def upload_by_command(case: Case, resumed: str | None = None) -> bool:
    """Upload as `tusd-py upload` does, without its pauses; tell whether it succeeded."""
    place = Server(case.endpoint, verifies_sha1=False, max_size=None)
    with Connection({}) as connection:
        sending = uploader.PatientUploader(
            io.BytesIO(CONTENT),
            connection,
            place,
            chunk_size=10,
            metadata={},
            retries=2,
            watcher=Nobody(),
        )
        try:
            if resumed is None or not sending.resume(resumed):
                sending.create()
            sending.finish()
        except TusCommunicationError:
            return False
    return True


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH"])
def test_of_our_upload_command(
    server: RefusingServer, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "RETRY_DELAY", 0.0)

    def attempt(case: Case, url: str) -> bool:
        return upload_by_command(case, url if method == "HEAD" else None)

    assert outcomes(server, "tusd-py upload", method, attempt) == SAID["tusd-py upload", method]


class TestNoAnswer:
    """The limits are those that the document names, cut short."""

    async def test_ends_aiotus(self, server: RefusingServer) -> None:
        assert aiohttp.client.DEFAULT_TIMEOUT.total == 5 * 60
        case = server.case("PATCH", SILENT)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
            url = await aiotus.upload(case.endpoint, io.BytesIO(CONTENT), client_session=session)
        assert case.outcome(succeeded=url is not None) == "fails"
        assert case.methods == ["POST", "HEAD", "PATCH"]

    async def test_ends_the_asynchronous_tuspy(
        self, server: RefusingServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        short = aiohttp.ClientTimeout(total=0.3)
        monkeypatch.setattr(aiohttp.client, "DEFAULT_TIMEOUT", short)
        case = server.case("PATCH", SILENT)
        sending = TusClient(case.endpoint).async_uploader(
            file_stream=io.BytesIO(CONTENT), retries=2, retry_delay=0
        )
        with pytest.raises(TimeoutError):
            await sending.upload()
        assert case.methods == ["POST", "PATCH"]

    @pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH"])
    def test_is_tried_again_by_our_upload_command(
        self, server: RefusingServer, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert cli_connection.TIME_LIMITS[1] == 60
        monkeypatch.setattr(cli_connection, "TIME_LIMITS", (5.0, 0.3))
        monkeypatch.setattr(uploader, "RETRY_DELAY", 0.0)
        case = server.case(method, SILENT)
        resumed = case.begun(len(CONTENT), BEGUN) if method == "HEAD" else None
        assert case.outcome(succeeded=upload_by_command(case, resumed)) == "again"
