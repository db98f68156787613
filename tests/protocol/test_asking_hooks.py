"""Hooks that are asked: refused before anything is made, held before the last byte counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import Answer, TusServer, patch_head, run_server
from tests.services import Service, always, hang, run_service

Says = dict[str, Any]
Start = Callable[..., Any]
ASKED = ("pre-create", "pre-finish", "pre-terminate", "post-create", "post-finish")
TOLD = (*ASKED, "post-terminate", "failed")


class Asked:
    """
    A hook that answers what a test wants.

    Attributes:
        says: What it answers to each event, by its name.
        events: What it was asked and told.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.says: dict[str, Says] = {}
        self.events: list[Says] = []
        self.gate = asyncio.Event()
        self.gate.set()
        service.answer = self.answer

    async def answer(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.events.append(event)
        if event["Type"].startswith("pre-"):
            await self.gate.wait()
        return web.json_response(self.says.get(event["Type"], {}))

    def kinds(self) -> list[str]:
        return [event["Type"] for event in self.events]

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(10):
            while kind not in self.kinds():
                await asyncio.sleep(0.01)


@pytest.fixture
async def hook() -> AsyncIterator[Asked]:
    async with run_service() as service:
        yield Asked(service)


@pytest.fixture
async def start(data_dir: Path, hook: Asked) -> AsyncIterator[Start]:
    """Start a server that asks and tells the hook."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> TusServer:
            chosen = {"hooks_events": TOLD, "hooks_timeout": 0.3, **settings}
            running = run_server(data_dir, hooks_urls=(hook.service.url,), **chosen)
            return await stack.enter_async_context(running)

        yield start


@pytest.fixture
async def server(start: Start) -> TusServer:
    running: TusServer = await start()
    return running


async def post(server: TusServer, length: int, body: bytes | None = None, **more: str) -> Answer:
    """Ask for an upload, with its first chunk where there is one."""
    headers = {"Upload-Length": str(length)} | {k.replace("_", "-"): v for k, v in more.items()}
    if body is not None:
        headers["Content-Type"] = "application/offset+octet-stream"
    return await server.request("POST", server.prefix, headers, body)


# --- pre-create ---


@pytest.mark.parametrize("body", [None, b"abc", bytes(100_000)])
async def test_refused_creation_leaves_nothing(
    server: TusServer, hook: Asked, body: bytes | None
) -> None:
    hook.says["pre-create"] = {
        "RejectUpload": True,
        "HTTPResponse": {"StatusCode": 402, "Body": "pay first", "Header": {"X-Price": "5"}},
    }
    answer = await post(server, 100_000, body)
    assert (answer.status, answer.body) == (402, b"pay first")
    assert answer.headers["X-Price"] == "5"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Location" not in answer.headers
    assert server.stored() == {}
    assert hook.kinds() == ["pre-create"]


async def test_refusal_without_words_is_a_problem_document(server: TusServer, hook: Asked) -> None:
    hook.says["pre-create"] = {"RejectUpload": True}
    answer = await post(server, 3)
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == "refused_by_hook"


async def test_refusal_comes_before_the_body(server: TusServer, hook: Asked) -> None:
    hook.says["pre-create"] = {"RejectUpload": True, "HTTPResponse": {"StatusCode": 403}}
    async with server.raw() as connection:
        await connection.send(
            f"POST {server.prefix} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n"
            "Upload-Length: 1000\r\nContent-Type: application/offset+octet-stream\r\n"
            "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await connection.receive()).status == 403


async def test_hook_names_the_upload_and_rewrites_its_metadata(
    server: TusServer, hook: Asked
) -> None:
    name = "ab" * 16
    hook.says["pre-create"] = {"ChangeFileInfo": {"ID": name, "MetaData": {"filename": "b.txt"}}}
    hook.says["pre-create"]["HTTPResponse"] = {"Header": {"X-Seen": "1", "Location": "/evil"}}
    answer = await post(server, 3, b"abc", Upload_Metadata="filename YS50eHQ=")
    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/{name}")
    assert answer.headers["X-Seen"] == "1"
    head = await server.head(answer.headers["Location"])
    assert head.headers["Upload-Metadata"] == "filename Yi50eHQ="
    again = await post(server, 3, b"xyz")
    assert again.status == 409, "the name is taken"
    assert (await server.get(answer.headers["Location"])).body == b"abc"


async def test_silent_hook_makes_clients_come_back(server: TusServer, hook: Asked) -> None:
    for silence in (hang, always(500), always(302, Location="/x")):
        hook.service.answer = silence
        answer = await post(server, 3)
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
    hook.service.answer = hook.answer
    assert (await post(server, 3)).status == 201


async def test_silent_hook_has_no_say_where_the_operator_wants_that(
    start: Start, hook: Asked
) -> None:
    server = await start(hooks_fail="allow")
    hook.service.answer = always(500)
    answer = await post(server, 3, b"abc")
    assert answer.status == 201
    assert (await server.delete(answer.headers["Location"])).status == 204


# --- pre-finish ---


@pytest.mark.parametrize("size", [3, 300_000])
async def test_upload_that_is_refused_at_its_end_is_rejected(
    server: TusServer, hook: Asked, size: int
) -> None:
    path = await server.create(size)
    hook.says["pre-finish"] = {
        "RejectUpload": True,
        "HTTPResponse": {"StatusCode": 422, "Body": "a virus"},
    }
    answer = await server.patch(path, 0, bytes(size))
    assert (answer.status, answer.body) == (422, b"a virus")
    assert (await server.head(path)).status == 410
    assert server.stored() == {}
    await hook.until("failed")
    assert hook.kinds() == ["pre-create", "post-create", "pre-finish", "failed"]
    asked = hook.events[2]["Event"]["Upload"]
    assert (asked["Offset"], asked["Size"]) == (size, size)


async def test_bytes_are_there_to_be_looked_at(server: TusServer, hook: Asked) -> None:
    found: list[bytes] = []

    async def look(request: web.Request) -> web.Response:
        event = await request.json()
        if event["Type"] == "pre-finish":
            path = Path(event["Event"]["Upload"]["Storage"]["Path"])
            found.append(await asyncio.to_thread(path.read_bytes))
        return web.json_response({})

    hook.service.answer = look
    content = bytes(range(256)) * 2000
    await server.finished(content)
    await server.finished(b"small")
    await post(server, 7, b"at once")
    parts = [await server.finished(each, {"Upload-Concat": "partial"}) for each in (b"ab", b"c")]
    concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
    final = await server.request("POST", server.prefix, concat)
    while "Upload-Offset" not in (await server.head(final.headers["Location"])).headers:
        await asyncio.sleep(0.01)
    assert found == [content, b"small", b"at once", b"ab", b"c", b"abc"]


async def test_while_nobody_can_say_all_but_the_last_byte_is_kept(
    server: TusServer, hook: Asked
) -> None:
    path = await server.create(10)
    hook.service.answer = always(500)
    answer = await server.patch(path, 0, b"0123456789")
    assert answer.status == 503
    head = await server.head(path)
    assert (head.status, head.offset) == (200, 9)
    assert (await server.patch(path, 9, b"9")).status == 503
    assert (await server.head(path)).offset == 9
    hook.service.answer = hook.answer
    assert (await server.patch(path, 9, b"9")).status == 204
    assert (await server.get(path)).body == b"0123456789"
    await hook.until("post-finish")


async def test_first_chunk_that_would_finish_is_kept_but_for_a_byte(
    start: Start, hook: Asked
) -> None:
    server = await start(hooks_events=("pre-finish",))
    hook.service.answer = always(500)
    assert (await post(server, 3, b"abc")).status == 503
    assert server.stored() == {}, "nobody knew of it"
    answer = await post(server, 100_000, bytes(100_000))
    assert (answer.status, answer.offset) == (201, 99_999)
    hook.service.answer = hook.answer
    assert (await server.patch(answer.headers["Location"], 99_999, b"\0")).status == 204


async def test_upload_without_bytes_is_asked_for_too(server: TusServer, hook: Asked) -> None:
    hook.says["pre-finish"] = {"RejectUpload": True}
    assert (await post(server, 0)).status == 400
    assert server.stored() == {}
    path = await server.create(headers={"Upload-Defer-Length": "1"})
    answer = await server.patch(path, 0, b"", headers={"Upload-Length": "0"})
    assert answer.status == 400
    assert (await server.head(path)).status == 410


async def test_head_waits_for_no_hook(start: Start, hook: Asked) -> None:
    server = await start(hooks_timeout=30)
    path = await server.create(10)
    hook.gate.clear()
    writing = asyncio.create_task(server.patch(path, 0, b"0123456789"))
    await hook.until("pre-finish")
    head = await asyncio.wait_for(server.head(path), 5)
    assert (head.status, head.offset) == (200, 9)
    assert (await writing).status == 423
    hook.gate.set()
    assert (await server.patch(path, 9, b"9")).status == 204


async def test_hook_words_the_answer_to_the_last_byte(server: TusServer, hook: Asked) -> None:
    path = await server.create(3)
    hook.says["pre-finish"] = {
        "HTTPResponse": {"Body": '{"id": 5}', "Header": {"Content-Type": "application/json"}}
    }
    answer = await server.patch(path, 0, b"abc")
    assert (answer.status, answer.body) == (200, b'{"id": 5}')
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Upload-Offset"] == "3"


async def test_final_upload_is_asked_for_with_its_parts(server: TusServer, hook: Asked) -> None:
    parts = [await server.finished(each, {"Upload-Concat": "partial"}) for each in (b"ab", b"c")]
    hook.says["pre-finish"] = {"RejectUpload": True}
    concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
    answer = await server.request("POST", server.prefix, concat)
    await hook.until("failed")
    asked = [event["Event"]["Upload"] for event in hook.events if event["Type"] == "pre-finish"]
    assert (asked[-1]["IsFinal"], asked[-1]["Size"], len(asked[-1]["PartialUploads"])) == (
        True,
        3,
        2,
    )
    if answer.status == 201:  # the hook took longer than the answer waits
        assert (await server.head(answer.headers["Location"])).status == 410
    else:
        assert answer.status == 400
    assert len(server.stored()) == 2


async def test_interrupted_body_asks_nobody(server: TusServer, hook: Asked) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=10) + "01234")
        await asyncio.sleep(0.1)
    assert (await server.head(path)).offset == 5
    assert "pre-finish" not in hook.kinds()


# --- pre-terminate ---


async def test_refused_termination_changes_nothing(server: TusServer, hook: Asked) -> None:
    path = await server.finished(b"abc")
    hook.says["pre-terminate"] = {"RejectTermination": True, "HTTPResponse": {"StatusCode": 403}}
    assert (await server.delete(path)).status == 403
    assert (await server.get(path)).body == b"abc"
    hook.service.answer = always(500)
    assert (await server.delete(path)).status == 503
    hook.service.answer = hook.answer
    hook.says.clear()
    assert (await server.delete(path)).status == 204
    await hook.until("post-terminate")


async def test_nobody_is_asked_about_what_is_not_there(server: TusServer, hook: Asked) -> None:
    assert (await server.delete(f"{server.prefix}{'0' * 32}")).status == 404
    assert hook.events == []
