"""Uploads from a page in Chromium are paused, cut, resumed and refused."""

from typing import Any

import pytest

from tests.browser.conftest import OpenLine, OpenPage
from tests.clients.conftest import MIB, MakeFile
from tests.clients.running_server import RunningServer, ask
from tests.clients.test_tus_js_client import assert_arrived

BYTES = {"Content-Type": "application/offset+octet-stream"}


def test_a_paused_upload_goes_on(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(8 * MIB + 1)
    page = open_page(line.endpoint, file)
    line.hold(5 * MIB)
    page.begin()
    line.wait_until_held()

    page.pause()
    page.call("resume")

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request["status"] for request in outcome.of("HEAD")] == [200]
    # What had come in is not sent again, though the server cannot see that nothing more comes.
    [begun, resumed] = [int(request["offset"]) for request in outcome.of("PATCH")]
    assert begun == 0
    assert 0 < resumed <= 5 * MIB


def test_an_upload_that_is_started_twice_at_once_stays_whole(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(8 * MIB + 1)
    page = open_page(line.endpoint, file)
    line.hold(5 * MIB)
    page.begin()
    line.wait_until_held()

    # What has not sent a request yet is not stopped by abort(): both starts go on.
    page.call("restart", 2)

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request.get("status") for request in outcome.of("HEAD")][:2] == [200, 200]
    assert [request["status"] for request in outcome.of("POST")] == [201]


def test_an_upload_that_is_resumed_twice_at_once_stays_whole(
    server: RunningServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    file = make_file(8 * MIB + 1)
    page = open_page(server.endpoint, file)
    created = page.ask("POST", server.endpoint, Upload_Length=str(8 * MIB + 1))
    url = server.endpoint + created.headers["location"].rpartition("/")[2]

    # Neither knows of the other, like two windows.
    page.begin(uploadUrl=url, chunkSize=MIB)
    page.begin(uploadUrl=url, chunkSize=MIB)

    outcome = page.success()
    assert outcome.url == url
    assert_arrived(url, file)
    statuses = {request.get("status") for request in outcome.of("PATCH")}
    assert statuses & {409, 423}, "they never met"
    assert statuses <= {204, 409, 423, None}


def test_a_terminated_upload_is_not_found(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    page = open_page(line.endpoint, make_file(8 * MIB))
    line.hold(5 * MIB)
    page.begin()
    # The DELETE comes while the server still waits for the rest of the PATCH.
    line.wait_until_held()

    state = page.call("terminate")

    deleted = [request for request in state["requests"] if request["method"] == "DELETE"]
    assert [request["status"] for request in deleted] == [204]
    assert ask("GET", state["url"]).status == 404


@pytest.mark.parametrize("options", [{}, {"parallelUploads": 2}], ids=["whole", "in parts"])
def test_a_page_goes_on_after_it_was_loaded_again(
    server: RunningServer,
    open_page: OpenPage,
    open_line: OpenLine,
    make_file: MakeFile,
    options: dict[str, Any],
) -> None:
    line = open_line(server)
    file = make_file(8 * MIB)
    page = open_page(line.endpoint, file)
    parts = options.get("parallelUploads", 1)
    line.hold(3 * MIB, count=parts)
    page.begin(**options)
    line.wait_until_held()

    page.load()
    page.begin(**options)

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request["status"] for request in outcome.of("HEAD")] == [200] * parts
    # Only the one that puts parts together.
    assert [request["concat"] is not None for request in outcome.of("POST")] == [True] * (parts > 1)
    assert len(outcome.of("PATCH")) == parts
    assert all(0 < int(request["offset"]) <= 3 * MIB for request in outcome.of("PATCH"))


@pytest.mark.parametrize(
    ("major", "source"),
    [
        (4, "reader"),
        # It believes the answer to HEAD alone: without Upload-Defer-Length it gives up.
        (5, "stream"),
    ],
)
def test_a_stream_goes_on_after_the_page_was_loaded_again(
    server: RunningServer,
    open_page: OpenPage,
    open_line: OpenLine,
    make_file: MakeFile,
    major: int,
    source: str,
) -> None:
    line = open_line(server)
    file = make_file(5 * MIB + 1)
    page = open_page(line.endpoint, file, major=major)
    line.hold(MIB)
    options: dict[str, Any] = {"uploadLengthDeferred": True, "chunkSize": 2 * MIB}
    page.begin({"source": source}, **options)
    line.wait_until_held()
    url = page.pause().url

    page.load()
    page.begin({"source": source}, uploadUrl=url, **options)

    outcome = page.success()
    assert outcome.url == url
    assert_arrived(url, file)
    assert [request["status"] for request in outcome.of("HEAD")] == [200]
    assert outcome.of("POST") == []


def test_a_request_that_chromium_repeats_adds_nothing_twice(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(8 * MIB + 1)
    page = open_page(line.endpoint, file)
    line.hold(5 * MIB)
    page.begin()
    line.wait_until_held()

    # The server hears nothing of it: for it, the first PATCH is still under way.
    line.cut()

    outcome = page.success()
    assert_arrived(outcome.url, file)
    # Chromium sent the same again before tus-js-client knew of anything.
    sent = [(request.method, request.headers["Upload-Offset"]) for request in line.requests]
    first = sent.index(("PATCH", "0"))
    assert sent[first + 1] == ("PATCH", "0")
    assert line.requests[first].connection != line.requests[first + 1].connection
    repeated, resumed = outcome.of("PATCH")
    assert (repeated["offset"], repeated["status"]) == ("0", 409)
    assert 0 < int(resumed["offset"]) <= 5 * MIB


def test_an_upload_outlives_its_server(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(8 * MIB + 1)
    page = open_page(line.endpoint, file)
    line.hold(5 * MIB)
    page.begin(chunkSize=2 * MIB)
    line.wait_until_held()

    server.kill()
    server.start()

    outcome = page.success()
    assert_arrived(outcome.url, file)
    assert [request["status"] for request in outcome.of("POST")] == [201]


def test_a_refusal_is_seen_before_the_body_is_sent(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    """
    Chromium reads no answer while it still sends, so the server has to close for it to be read.

    It reads and drops for some seconds before that, for a line that gets through with the rest.
    """
    line = open_line(server)
    page = open_page(line.endpoint, make_file(100))
    created = page.ask("POST", line.endpoint, Upload_Length=str(40 * MIB))
    url = line.endpoint + created.headers["location"].rpartition("/")[2]
    nowhere = line.endpoint + 32 * "0"
    line.hold(MIB, count=3)

    answers = page.ask_all(
        *(
            {
                "method": "PATCH",
                "url": where,
                "headers": BYTES | {"Upload-Offset": offset},
                "size": 41 * MIB,
            }
            for where, offset in ((nowhere, "0"), (url, "5"), (url, "0"))
        )
    )

    assert [answer.status for answer in answers] == [404, 409, 413]
    assert max(answer.seconds for answer in answers) < 8
