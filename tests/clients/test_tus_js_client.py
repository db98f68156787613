"""tus-js-client, the client in most web pages and in Uppy, uploads and resumes from Node.js."""

import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import JAVASCRIPT, MIB, MakeFile, StartServer
from tests.clients.running_server import RunningServer, ask

# Tries again at once, and for longer than a restart takes; the client's own delays go up to 5 s.
PATIENT = [0, *[100] * 80]


class Report:
    """What the driver says: how the upload stands, and the requests made up to then."""

    def __init__(self, line: str) -> None:
        assert line, "the driver ended without a word; its complaint is in the captured stderr"
        said: dict[str, Any] = json.loads(line)
        self.event: str = said["event"]
        self.url: str | None = said["url"]
        self.message: str = said.get("message", "")
        self.requests: list[dict[str, Any]] = said["requests"]

    def of(self, method: str) -> list[dict[str, Any]]:
        """Give the requests of *method*, in the order they were sent."""
        return [request for request in self.requests if request["method"] == method]


class JavaScriptUpload:
    """One upload by tus-js-client, in a Node.js of its own (see javascript/upload.mjs)."""

    def __init__(self, node: str, task: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [node, str(JAVASCRIPT / "upload.mjs"), json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def expect(self, event: str) -> Report:
        """Wait for what the driver says next (its watchdog bounds the wait): it is *event*."""
        assert self._process.stdout is not None
        report = Report(self._process.stdout.readline())
        assert report.event == event, f"{report.event}: {report.message} after {report.requests}"
        return report

    def tell(self, command: str) -> None:
        """Tell the driver to "abort" or to "terminate" the upload."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the driver if it still runs."""
        self._process.kill()
        self._process.communicate()


StartUpload = Callable[..., JavaScriptUpload]


@pytest.fixture
def start_upload(node: str) -> Iterator[StartUpload]:
    """
    Start an upload of *file* with the options of tus-js-client given.

    *task* goes to the driver itself; javascript/upload.mjs says what it understands.
    """
    started: list[JavaScriptUpload] = []

    def start(
        server: RunningServer,
        file: Path,
        task: dict[str, Any] | None = None,
        **options: Any,
    ) -> JavaScriptUpload:
        options = {"endpoint": server.endpoint, "retryDelays": PATIENT} | options
        upload = JavaScriptUpload(node, {"file": str(file), "options": options} | (task or {}))
        started.append(upload)
        return upload

    yield start
    for upload in started:
        upload.close()


def assert_arrived(url: str | None, file: Path) -> None:
    """What the server gives back at *url* is *file*, byte for byte."""
    assert url is not None
    deadline = time.monotonic() + 20
    while "Upload-Offset" not in ask("HEAD", url).headers:  # its parts are being joined
        assert time.monotonic() < deadline, "it is never joined"
        time.sleep(0.02)
    answer = ask("GET", url)
    assert answer.status == 200
    assert answer.body == file.read_bytes()


@pytest.mark.parametrize(
    ("task", "options", "patches"),
    [
        pytest.param({}, {"addRequestId": True}, 1, id="one request"),
        pytest.param({"source": "buffer"}, {"chunkSize": 2 * MIB}, 3, id="chunks of a buffer"),
        pytest.param({}, {"chunkSize": 2 * MIB}, 3, id="chunks of a file"),
        pytest.param({}, {"uploadDataDuringCreation": True}, 0, id="all data during creation"),
        pytest.param(
            {},
            {"uploadDataDuringCreation": True, "chunkSize": 2 * MIB},
            2,
            id="first chunk during creation",
        ),
    ],
)
def test_a_file_arrives(
    server: RunningServer,
    start_upload: StartUpload,
    make_file: MakeFile,
    task: dict[str, Any],
    options: dict[str, Any],
    patches: int,
) -> None:
    file = make_file(5 * MIB + 1)

    report = start_upload(server, file, task, **options).expect("success")

    assert_arrived(report.url, file)
    assert [request["status"] for request in report.of("POST")] == [201]
    assert [request["status"] for request in report.of("PATCH")] == [204] * patches


def test_a_stream_tells_its_length_last(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    # The chunks do not divide the size: if they did, nothing would read the stream's end, and
    # tus-js-client 4 would wait for ever.
    file = make_file(5 * MIB + 1)

    report = start_upload(
        server, file, {"source": "stream"}, uploadLengthDeferred=True, chunkSize=2 * MIB
    ).expect("success")

    assert_arrived(report.url, file)
    # The last PATCH may be an empty one, sent as a chunked body of no chunks.
    lengths = [request.get("length") for request in report.of("PATCH")]
    assert lengths == [None] * (len(lengths) - 1) + [str(5 * MIB + 1)]
    assert report.url is not None
    assert ask("HEAD", report.url).headers["Upload-Length"] == str(5 * MIB + 1)


def test_post_stands_in_for_patch(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    file = make_file(5 * MIB + 1)

    report = start_upload(server, file, overridePatchMethod=True, chunkSize=2 * MIB).expect(
        "success"
    )

    assert_arrived(report.url, file)
    assert [request["status"] for request in report.of("POST")] == [201, 204, 204, 204]
    assert report.of("PATCH") == []


def test_an_empty_file_is_finished_at_once(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    file = make_file(0)

    report = start_upload(server, file, {"source": "buffer"}).expect("success")

    assert_arrived(report.url, file)
    assert report.of("PATCH") == []


def test_metadata_is_given_back_as_sent(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    # What Uppy sends, a value of no length amid the others and one at the end.
    metadata = {"relativePath": "null", "a": "", "filename": "Überweisung.pdf", "b": ""}

    report = start_upload(server, make_file(100), metadata=metadata).expect("success")

    assert report.url is not None
    sent_back = ask("HEAD", report.url).headers["Upload-Metadata"].split(",")
    # On its way a header loses the space that ends it, so "b " may arrive as "b".
    assert [pair.rstrip() for pair in sent_back] == [
        f"{key} {b64encode(value.encode()).decode()}".rstrip() for key, value in metadata.items()
    ]


@pytest.mark.parametrize("chunk_size", [None, 2 * MIB])
def test_another_process_goes_on_after_an_abort(
    server: RunningServer,
    start_upload: StartUpload,
    make_file: MakeFile,
    tmp_path: Path,
    chunk_size: int | None,
) -> None:
    file = make_file(8 * MIB + 1)
    options = {} if chunk_size is None else {"chunkSize": chunk_size}
    urls = str(tmp_path / "urls.json")
    first = start_upload(server, file, {"urls": urls, "stallAt": 5 * MIB}, **options)
    first.expect("stalled")
    first.tell("abort")
    aborted = first.expect("aborted")

    resumed = start_upload(server, file, {"urls": urls}, **options).expect("success")

    assert resumed.url == aborted.url
    assert_arrived(resumed.url, file)
    assert [request["status"] for request in resumed.of("HEAD")] == [200]
    assert resumed.of("POST") == []
    # What came in of the broken request was kept, up to the last chunk at least.
    kept = int(resumed.of("PATCH")[0]["offset"])
    assert (0 if chunk_size is None else 4 * MIB) < kept <= 5 * MIB


def test_four_parts_become_one_upload(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    file = make_file(9 * MIB + 3)

    report = start_upload(
        server, file, parallelUploads=4, chunkSize=MIB, metadata={"filename": "whole"}
    ).expect("success")

    assert_arrived(report.url, file)
    concats = [request["concat"] for request in report.of("POST")]
    assert concats[:4] == ["partial"] * 4
    assert concats[4].startswith("final;")
    assert report.url is not None
    assert ask("HEAD", report.url).headers["Upload-Concat"].startswith("final;")


def test_parts_are_resumed_each_where_it_stands(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile, tmp_path: Path
) -> None:
    file = make_file(16 * MIB + 3)
    options = {"parallelUploads": 4, "chunkSize": MIB // 2}
    urls = str(tmp_path / "urls.json")
    start_upload(server, file, {"urls": urls, "abortAfter": 8}, **options).expect("aborted")

    resumed = start_upload(server, file, {"urls": urls}, **options).expect("success")

    assert_arrived(resumed.url, file)
    assert [request["status"] for request in resumed.of("HEAD")] == [200] * 4
    assert [request["concat"] is not None for request in resumed.of("POST")] == [True]
    # The eight chunks that had been accepted were not sent again.
    assert len([r for r in resumed.of("PATCH") if r["status"] == 204]) <= 33 + 3 - 8


def test_a_terminated_upload_is_not_found(
    server: RunningServer, start_upload: StartUpload, make_file: MakeFile
) -> None:
    upload = start_upload(server, make_file(8 * MIB), {"stallAt": 5 * MIB})
    # The DELETE comes while the server still waits for the rest of the PATCH.
    upload.expect("stalled")
    upload.tell("terminate")

    report = upload.expect("terminated")

    assert report.url is not None
    assert report.of("DELETE")[-1]["status"] == 204
    assert ask("GET", report.url).status == 404
    assert ask("HEAD", report.url).status == 404


@pytest.mark.parametrize("end", [RunningServer.stop, RunningServer.kill])
@pytest.mark.parametrize("chunk_size", [None, 2 * MIB])
def test_an_upload_outlives_its_server(
    start_server: StartServer,
    start_upload: StartUpload,
    make_file: MakeFile,
    chunk_size: int | None,
    end: Callable[[RunningServer], None],
) -> None:
    server = start_server("--shutdown-timeout", "1s")
    file = make_file(8 * MIB + 1)
    options = {} if chunk_size is None else {"chunkSize": chunk_size}
    upload = start_upload(server, file, {"stallAt": 5 * MIB}, **options)
    upload.expect("stalled")

    end(server)
    server.start()

    report = upload.expect("success")
    assert_arrived(report.url, file)
    assert [r["status"] for r in report.of("POST")] == [201], "the client had to begin anew"
    # Chunks that were acknowledged are not sent again.
    sent = [int(request["offset"]) for request in report.of("PATCH")]
    assert sent == sorted(sent)
    assert report.of("HEAD")[-1]["status"] == 200
