"""Checks of complete uploads: what clients see of one that is being checked, or was rejected."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clamd_stub import Behave, ClamdStub, be_silent, hang_up, listening, saying, take_nothing
from tests.harness import OCTETS, Answer, TusServer, run_server, run_workers
from tests.protocol.watchers import by_events
from tests.unit.test_metrics import figures
from tusd_py.uploads import finishing

EVIL = b"a sign of evil"
CONTENT = b"nothing to be found here " * 4000


@pytest.fixture
def stub() -> ClamdStub:
    stub = ClamdStub()
    stub.found[EVIL] = "Test.Evil-1"
    return stub


@pytest.fixture
async def clamd(stub: ClamdStub, tmp_path: Path) -> AsyncIterator[str]:
    async with listening(stub, tmp_path / "clamd.sock") as address:
        yield address


@pytest.fixture
async def checking(data_dir: Path, clamd: str) -> AsyncIterator[TusServer]:
    """A server whose uploads clamd looks at."""
    async with run_server(data_dir, clamd=clamd, metrics=True, sweep_interval=0.1) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to the last byte does not wait for the verdict."""
    monkeypatch.setattr(finishing, "_ANSWER_WITHIN", 0.02)


def problem(answer: Answer) -> str:
    return f"{answer.status} {json.loads(answer.body)['code']}"


def detail(answer: Answer) -> str:
    return str(json.loads(answer.body)["detail"])


async def eventually(server: TusServer, path: str, status: int) -> Answer:
    """Wait until the upload can be read, or is gone."""
    async with asyncio.timeout(10):
        while (answer := await server.get(path)).status != status:
            assert answer.status == 409, answer.body
            await asyncio.sleep(0.01)
    return answer


# --- The verdict ---


async def test_upload_that_passes_is_finished(checking: TusServer, stub: ClamdStub) -> None:
    path = await checking.finished(CONTENT)
    assert stub.scanned == [CONTENT]
    answer = await checking.get(path)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_upload_that_does_not_is_rejected(checking: TusServer) -> None:
    path = await checking.create(len(CONTENT + EVIL))
    answer = await checking.patch(path, 0, CONTENT + EVIL)
    assert problem(answer) == "422 content_refused"
    assert detail(answer) == "A virus scanner found something in the file."
    assert checking.stored() == {}
    head = await checking.head(path)
    assert (head.status, head.body) == (410, b"")
    for again in (
        await checking.get(path),
        await checking.patch(path, 0, b"more"),
        await checking.delete(path),
        await checking.get(f"{path}/events"),
    ):
        assert problem(again) == "410 upload_rejected"
        assert "A virus scanner found something" in detail(again)
    shown = figures((await checking.get("/metrics")).body)
    assert shown['tusd_py_uploads_rejected_total{by="clamd"}'] == 1
    assert shown["tusd_py_uploads_finished_total"] == 0
    await checking.assert_still_works()


async def test_creation_with_all_bytes_is_judged_at_once(checking: TusServer) -> None:
    sent = {"Upload-Length": str(len(EVIL)), **OCTETS}
    answer = await checking.request("POST", checking.prefix, sent, EVIL)
    assert problem(answer) == "422 content_refused"
    assert checking.stored() == {}


async def test_nothing_is_clean(checking: TusServer, stub: ClamdStub) -> None:
    path = await checking.finished(b"")
    answer = await checking.get(path)
    assert (answer.status, answer.body, stub.asked) == (200, b"", 0)


@pytest.mark.parametrize(("content", "status"), [(b"clean", 200), (EVIL, 410)])
async def test_final_upload_is_judged_as_a_whole(
    checking: TusServer, stub: ClamdStub, content: bytes, status: int
) -> None:
    middle = len(content) // 2
    parts = [
        await checking.finished(piece, {"Upload-Concat": "partial"})
        for piece in (content[:middle], content[middle:])
    ]
    assert stub.asked == 0
    answer = await checking.request(
        "POST", checking.prefix, {"Upload-Concat": f"final;{' '.join(parts)}"}
    )
    if answer.status == 201:
        assert (await eventually(checking, answer.headers["Location"], status)).status == status
    else:
        assert (problem(answer), status) == ("422 content_refused", 410)
    assert stub.scanned == [content]
    assert [(await checking.head(part)).status for part in parts] == [200, 200]


# --- While it is being checked ---


@pytest.mark.usefixtures("hasty")
async def test_upload_that_is_being_checked(checking: TusServer, stub: ClamdStub) -> None:
    stub.may_answer.clear()
    path = await checking.create(len(CONTENT))
    answer = await checking.patch(path, 0, CONTENT)
    assert (answer.status, answer.offset) == (204, len(CONTENT))
    head = await checking.head(path)
    assert (head.status, head.offset) == (200, len(CONTENT))
    assert head.headers["Upload-Length"] == str(len(CONTENT))
    assert "Upload-Expires" not in head.headers
    assert problem(await checking.get(path)) == "409 upload_unchecked"
    assert problem(await checking.patch(path, 0, b"again")) == "409 offset_mismatch"
    assert (await checking.patch(path, len(CONTENT), b"")).status == 204
    assert problem(await checking.patch(path, len(CONTENT), b"x")) == "413 upload_too_large"
    url = f"http://{checking.host}:{checking.port}{path}"
    async with by_events(checking.session, url, {}) as watcher:
        first = await watcher.next()
        assert (first.name, first.data["state"]) == ("progress", "checking")
        assert (first.data["received"], first.data["seconds_left"]) == (len(CONTENT), 0)
        stub.may_answer.set()
        last = await watcher.until(lambda event: event.name != "progress")
    assert (last.name, last.data["state"], last.data["reason"]) == ("finished", "finished", None)
    assert (await checking.get(path)).status == 200
    assert stub.asked == 1


@pytest.mark.usefixtures("hasty")
async def test_rejection_is_told_to_those_who_watch(checking: TusServer, stub: ClamdStub) -> None:
    stub.may_answer.clear()
    path = await checking.finished(EVIL)
    url = f"http://{checking.host}:{checking.port}{path}"
    async with by_events(checking.session, url, {}) as watcher:
        await watcher.next()
        stub.may_answer.set()
        last = await watcher.until(lambda event: event.name != "progress")
        assert await watcher.rest() == []
    assert (last.name, last.data["state"]) == ("rejected", "rejected")
    assert last.data["reason"] == "A virus scanner found something in the file."


@pytest.mark.usefixtures("hasty")
async def test_upload_is_terminated_while_it_is_checked(
    checking: TusServer, stub: ClamdStub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.may_answer.clear()
    path = await checking.finished(EVIL)
    assert (await checking.delete(path)).status == 204
    assert checking.stored() == {}
    stub.may_answer.set()
    await asyncio.sleep(0.1)
    assert [(await verb(path)).status for verb in (checking.head, checking.get)] == [404, 404]
    shown = figures((await checking.get("/metrics")).body)
    assert shown["tusd_py_uploads_terminated_total"] == 1
    assert not any("rejected_total" in name for name in shown)


# --- A scanner that does not say ---


@pytest.mark.parametrize(
    "behave",
    [be_silent, take_nothing, hang_up, saying(b"nonsense\0"), saying(b"")],
    ids=["silent", "stuck", "hangs-up", "nonsense", "closes"],
)
async def test_no_verdict_lets_uploads_wait(
    data_dir: Path, clamd: str, stub: ClamdStub, behave: Behave
) -> None:
    again, stub.behave = stub.behave, behave
    settings: dict[str, Any] = {"clamd_timeout": 0.3, "sweep_interval": 0.1}
    async with run_server(data_dir, clamd=clamd, **settings) as server:
        clean, evil = await server.finished(CONTENT), await server.finished(EVIL)
        for path in (clean, evil):
            assert (await server.head(path)).status == 200
            assert problem(await server.get(path)) == "409 upload_unchecked"
        stub.behave = again
        assert (await eventually(server, clean, 200)).body == CONTENT
        await eventually(server, evil, 410)


async def test_scanner_that_is_away_lets_uploads_wait(
    data_dir: Path, tmp_path: Path, stub: ClamdStub
) -> None:
    place = tmp_path / "clamd.sock"
    async with run_server(data_dir, clamd=f"unix:{place}", sweep_interval=0.1) as server:
        path = await server.finished(CONTENT)
        assert problem(await server.get(path)) == "409 upload_unchecked"
        async with listening(stub, place):
            await eventually(server, path, 200)


async def test_file_that_it_does_not_take_waits_and_can_be_terminated(
    checking: TusServer, stub: ClamdStub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.limit = 1000
    path = await checking.finished(CONTENT)
    assert problem(await checking.get(path)) == "409 upload_unchecked"
    assert any("StreamMaxLength" in str(getattr(each, "reason", "")) for each in caplog.records)
    assert (await checking.delete(path)).status == 204


# --- Restarts and workers ---


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("content", "status"), [(CONTENT, 200), (EVIL, 410)])
async def test_restart_goes_on(
    data_dir: Path,
    clamd: str,
    stub: ClamdStub,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    status: int,
) -> None:
    monkeypatch.setattr(finishing, "_CLOSE_WITHIN", 0.05)
    stub.may_answer.clear()
    async with run_server(data_dir, clamd=clamd) as server:
        path = await server.finished(content)
    stub.may_answer.set()
    async with run_server(data_dir, clamd=clamd) as server:
        assert (await eventually(server, path, status)).status == status


@pytest.mark.usefixtures("hasty")
async def test_what_was_to_be_checked_is_finished_once_nobody_checks(
    data_dir: Path, tmp_path: Path
) -> None:
    async with run_server(data_dir, clamd=f"unix:{tmp_path}/nowhere.sock") as server:
        path = await server.finished(CONTENT)
    async with run_server(data_dir) as server:
        await eventually(server, path, 200)


@pytest.mark.usefixtures("hasty")
async def test_workers_agree(data_dir: Path, clamd: str, stub: ClamdStub) -> None:
    stub.may_answer.clear()
    async with run_workers(data_dir, clamd=clamd, sweep_interval=0.05) as (first, second):
        paths = [await server.finished(EVIL) for server in (first, second)]
        await asyncio.sleep(0.2)  # rounds in which none is taken up twice
        for path in paths:
            for server in (first, second):
                assert (await server.get(path)).status == 409
        assert stub.asked == 2
        stub.may_answer.set()
        for path in paths:
            for server in (first, second):
                await eventually(server, path, 410)


# --- Digests ---


def declaring(content: bytes, write: Callable[[bytes], str]) -> dict[str, str]:
    text = write(hashlib.sha256(content).digest())
    return {"Upload-Metadata": f"sha256 {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.settings(digest="check")
@pytest.mark.parametrize("write", [bytes.hex, lambda digest: base64.b64encode(digest).decode()])
async def test_file_is_held_against_its_digest(
    server: TusServer, write: Callable[[bytes], str]
) -> None:
    path = await server.finished(CONTENT, declaring(CONTENT, write))
    assert (await server.get(path)).body == CONTENT
    path = await server.create(len(CONTENT), declaring(b"other", write))
    answer = await server.patch(path, 0, CONTENT)
    assert problem(answer) == "422 content_refused"
    assert hashlib.sha256(CONTENT).hexdigest() in detail(answer)
    assert problem(await server.get(path)) == "410 upload_rejected"


@pytest.mark.settings(digest="check")
async def test_digest_may_be_left_out_but_not_wrong(server: TusServer) -> None:
    await server.finished(CONTENT)
    sent = {"Upload-Length": "5", **declaring(b"", lambda _: "short")}
    answer = await server.request("POST", server.prefix, sent)
    assert problem(answer) == "400 content_refused"


@pytest.mark.settings(digest="require")
async def test_digest_that_is_required_has_to_come_with_the_creation(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "5"})
    assert problem(answer) == "400 content_refused"
    parts = [await server.finished(each, {"Upload-Concat": "partial"}) for each in (b"ab", b"cd")]
    concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
    assert (await server.request("POST", server.prefix, concat)).status == 400
    sent = {**concat, **declaring(b"abcd", bytes.hex)}
    answer = await server.request("POST", server.prefix, sent)
    assert answer.status == 201
    assert (await eventually(server, answer.headers["Location"], 200)).body == b"abcd"
