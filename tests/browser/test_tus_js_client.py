"""tus-js-client uploads from a page in Chromium, of another origin than the server's."""

from base64 import b64encode
from typing import Any

import pytest

from tests.browser.conftest import OpenLine, OpenPage
from tests.clients.conftest import MIB, MakeFile
from tests.clients.running_server import RunningServer, ask
from tests.clients.test_tus_js_client import assert_arrived


@pytest.mark.parametrize(
    ("options", "patches"),
    [
        pytest.param({"addRequestId": True}, 1, id="one request"),
        pytest.param({"chunkSize": 5_000_000}, 3, id="chunks of 5 MB"),
        pytest.param({"uploadDataDuringCreation": True}, 0, id="all data during creation"),
        pytest.param(
            {"uploadDataDuringCreation": True, "chunkSize": 5_000_000},
            2,
            id="first chunk during creation",
        ),
    ],
)
def test_a_file_arrives(
    server: RunningServer,
    open_page: OpenPage,
    make_file: MakeFile,
    options: dict[str, Any],
    patches: int,
) -> None:
    file = make_file(12_000_000)
    page = open_page(server.endpoint, file)

    page.begin(**options)

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request["status"] for request in outcome.of("POST")] == [201]
    assert [request["status"] for request in outcome.of("PATCH")] == [204] * patches
    assert page.problems() == []


def test_post_stands_in_for_patch(
    server: RunningServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    file = make_file(5 * MIB + 1)
    page = open_page(server.endpoint, file)

    page.begin(overridePatchMethod=True, chunkSize=2 * MIB)

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request["status"] for request in outcome.of("POST")] == [201, 204, 204, 204]
    assert outcome.of("PATCH") == []


def test_an_empty_file_is_finished_at_once(
    server: RunningServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    file = make_file(0)
    page = open_page(server.endpoint, file)
    # What Uppy sends, a value of no length amid the others and one at the end.
    metadata = {"relativePath": "null", "a": "", "filename": "Überweisung.pdf", "b": ""}

    page.begin(metadata=metadata)

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert outcome.of("PATCH") == []
    sent_back = ask("HEAD", outcome.url).headers["Upload-Metadata"].split(",")
    # On its way a header loses the space that ends it, so "b " may arrive as "b".
    assert [pair.rstrip() for pair in sent_back] == [
        f"{key} {b64encode(value.encode()).decode()}".rstrip() for key, value in metadata.items()
    ]


def test_a_stream_ends_with_a_patch_of_no_body(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(5 * MIB + 1)
    page = open_page(line.endpoint, file)

    page.begin({"source": "reader"}, uploadLengthDeferred=True, chunkSize=2 * MIB)

    assert_arrived(page.success().url, file)
    *_, last = line.of("PATCH")
    assert last.headers["Upload-Length"] == str(5 * MIB + 1)
    # No message says so, but there is no body: RFC 9112, section 6.3.
    assert last.headers["Content-Length"] is None
    assert last.headers["Transfer-Encoding"] is None


def test_four_parts_become_one_upload(
    server: RunningServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    file = make_file(9 * MIB + 3)
    page = open_page(server.endpoint, file)

    page.begin(parallelUploads=4, chunkSize=MIB, metadata={"filename": "whole"})

    outcome = page.success()
    assert_arrived(outcome.url, file)
    concats = [request["concat"] for request in outcome.of("POST")]
    assert concats[:4] == ["partial"] * 4
    assert concats[4].startswith(f"final;{server.endpoint}")
    assert {request["concat"] for request in outcome.of("PATCH")} == {"partial"}
    assert ask("HEAD", outcome.url).headers["Upload-Concat"].startswith("final;")
    assert page.problems() == []
