"""A hook that is a Python function: typed events, async or on a thread, in somebody's service."""

import asyncio
import importlib.metadata
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.examples import THEN, a_final, an_upload, upload_id
from tests.harness import run_server
from tusd_py import HookAnswer, HookEvent, HookReply, Settings, create_app
from tusd_py.hooks.function import FunctionHook, HookFunction, read_event
from tusd_py.hooks.hook import Caller, Message, Point
from tusd_py.hooks.payload import Composer
from tusd_py.protocol.upload import Upload


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, "hooks") as pool:
        yield pool


def a_message(point: Point = Point.POST_FINISH, upload: Upload | None = None) -> Message:
    compose = Composer(
        path_of=lambda each: Path("/data") / each.id, new_id=lambda: "e1", clock=lambda: THEN
    )
    caller = Caller("PATCH", "/files/1", "127.0.0.1:5", {"X-Me": ("ann",)})
    upload = upload or an_upload(1, owner="ann", offset=10, metadata="filename YS50eHQ=")
    return compose(point, upload, caller)


def test_event_has_types() -> None:
    event = read_event(a_message())
    assert (event.point, event.id, event.owner) == (Point.POST_FINISH, "e1", "ann")
    assert event.time == "2023-11-14T22:13:20.000Z"
    assert (event.upload.id, event.upload.length, event.upload.offset) == (upload_id(1), 100, 10)
    assert event.upload.metadata == {"filename": "a.txt"}
    assert event.upload.path == Path("/data") / upload_id(1)
    assert event.caller == Caller("PATCH", "/files/1", "127.0.0.1:5", {"X-Me": ("ann",)})


def test_what_is_not_known_yet_is_none() -> None:
    event = read_event(a_message(Point.PRE_CREATE, an_upload(1, length=None)))
    assert (event.upload.id, event.upload.length, event.upload.path) == ("", None, None)
    parts = read_event(a_message(upload=a_final(3, 1, 2))).upload.parts
    assert parts == (upload_id(1), upload_id(2))


async def test_async_function_runs_on_the_loop_and_others_on_a_thread(
    threads: ThreadPoolExecutor,
) -> None:
    ran_on: list[str] = []

    async def asynchronous(_: HookEvent) -> HookReply:
        await asyncio.sleep(0)
        ran_on.append(threading.current_thread().name)
        return HookReply(rejects_upload=True)

    def synchronous(_: HookEvent) -> None:
        ran_on.append(threading.current_thread().name)

    reply = await FunctionHook("a", asynchronous, threads).ask(a_message())
    assert reply == HookReply(rejects_upload=True)
    assert await FunctionHook("b", synchronous, threads).tell(a_message()) == HookReply()
    assert (ran_on[0], ran_on[1][:5]) == (threading.current_thread().name, "hooks")


async def test_functions_may_return_an_awaitable(threads: ThreadPoolExecutor) -> None:
    async def later() -> HookReply:
        return HookReply(stops=True)

    assert (await FunctionHook("a", lambda _: later(), threads).tell(a_message())).stops


async def test_anything_else_is_no_reply(threads: ThreadPoolExecutor) -> None:
    def say_yes(_: HookEvent) -> Any:
        return True

    with pytest.raises(TypeError, match="HookReply or None"):
        await FunctionHook("a", say_yes, threads).ask(a_message())


async def test_embedded_server_calls_functions(tmp_path: Path) -> None:
    told: list[tuple[str, str, str]] = []
    finished = asyncio.Event()

    async def look(event: HookEvent) -> HookReply | None:
        told.append((event.point.value, event.caller.method, event.owner))
        if event.point is Point.POST_FINISH:
            finished.set()
        if event.point is Point.PRE_CREATE and event.upload.length == 13:
            return HookReply(HookAnswer(403, "an unlucky length"), rejects_upload=True)
        return None

    settings = Settings(
        data_dir=tmp_path / "data",
        disk_reserve=0,
        hooks_events=("pre-create", "post-create", "post-finish"),
    )
    app = create_app(settings, hooks={"look": look})
    async with run_server(tmp_path / "data", app=app) as server:
        await server.finished(b"abc")
        answer = await server.request("POST", server.prefix, {"Upload-Length": "13"})
        assert (answer.status, answer.body) == (403, b"an unlucky length")
        await asyncio.wait_for(finished.wait(), 10)
    assert told.count(("pre-create", "POST", "")) == 2
    assert ("post-create", "POST", "") in told
    assert ("post-finish", "PATCH", "") in told


async def test_several_transports_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    offer(monkeypatch, "mine", lambda event: called.append(event.point.value))
    program = tmp_path / "programs" / "post-create"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    more: dict[str, Any] = {"hooks_plugins": "mine", "hooks_directory": program.parent}
    async with run_server(tmp_path / "data", **more) as server:
        await server.create(3)
        async with asyncio.timeout(10):
            while not (called and (program.parent / "ran").exists()):
                await asyncio.sleep(0.01)
    assert called == ["post-create"]


def test_plugin_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "mine", lambda _: None)
    with pytest.raises(ValueError, match=r"'yours', which no installed package offers.*mine"):
        Settings(hooks_plugins=("yours",))


def offer(monkeypatch: pytest.MonkeyPatch, name: str, function: HookFunction) -> None:
    """Let *function* be an entry point, as an installed package has it."""

    class Point_(importlib.metadata.EntryPoint):  # noqa: N801 - the real one is taken
        def load(self) -> HookFunction:
            return function

    point = Point_(name=name, value="anywhere:hook", group="tusd_py.hooks")

    def found(*, group: str) -> importlib.metadata.EntryPoints:
        return importlib.metadata.EntryPoints([point] if group == "tusd_py.hooks" else [])

    monkeypatch.setattr("tusd_py.config.hooks.entry_points", found)
    monkeypatch.setattr("tusd_py.telling.entry_points", found)
