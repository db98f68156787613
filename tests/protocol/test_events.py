"""Live progress: what those who watch an upload are sent, by server-sent events and WebSocket."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.harness import TusServer, patch_head, request_head, run_server
from tests.protocol.transports import Open
from tests.protocol.watchers import Event, Watcher, by_events, by_websocket
from tests.unit.test_metrics import figures
from tusd_py.config.model import Settings
from tusd_py.server import create_app
from tusd_py.uploads import progress
from tusd_py.web import events

LENGTH = 600_000
#: Seconds between the pieces of a slow upload, and how many bytes each has.
PAUSE, PIECE = 0.05, 20_000
#: Seconds in which the first event has to come, and each that follows while bytes arrive. Test
#: machines are busy: each has as much again.
FIRST, NEXT = 0.1 * 2, 0.5 * 2

WATCHES = {"events": by_events, "websocket": by_websocket}
Begin = Callable[..., AbstractAsyncContextManager[Watcher]]


@pytest.fixture(params=WATCHES)
def watch(request: pytest.FixtureRequest) -> Begin:
    """Watches an upload of a server by either way."""

    def begin(server: TusServer, path: str, **headers: str) -> AbstractAsyncContextManager[Watcher]:
        url = f"http://{server.host}:{server.port}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return WATCHES[request.param](server.session, url, named)

    return begin


@pytest.fixture(params=["ours", "plain"])
async def any_server(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[TusServer]:
    """A server on our connections, and one on aiohttp's."""
    async with run_server(data_dir, ours=request.param == "ours") as running:
        yield running


async def send_slowly(server: TusServer, path: str, *, silent: float = 0.0) -> int:
    """Send a whole upload in small pieces; return the status of the answer."""
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=LENGTH))
        await asyncio.sleep(silent)
        for _ in range(LENGTH // PIECE):
            await connection.send(bytes(PIECE))
            await asyncio.sleep(PAUSE)
        return (await connection.receive()).status


async def status_of(attempt: AbstractAsyncContextManager[Watcher]) -> int:
    """Return the status with which watching is refused."""
    with pytest.raises((aiohttp.ClientResponseError, aiohttp.WSServerHandshakeError)) as refusal:
        async with attempt:
            raise AssertionError("it may watch")
    return refusal.value.status


# --- While bytes come ---


async def test_a_slow_upload_is_followed_to_its_end(any_server: TusServer, watch: Begin) -> None:
    path = await any_server.create(LENGTH)
    asked = time.monotonic()
    async with watch(any_server, path) as watcher:
        first = await watcher.next()
        assert first.at - asked < FIRST
        assert (first.name, first.data) == (
            "progress",
            {
                "offset": 0,
                "received": 0,
                "length": LENGTH,
                "rate": None,
                "seconds_left": None,
                "state": "open",
                "reason": None,
            },
        )
        sending = asyncio.create_task(send_slowly(any_server, path))
        last = await watcher.until(lambda event: event.name != "progress")
        assert await watcher.rest() == []
    assert await sending == 204
    assert (last.name, last.data["state"], last.data["received"]) == (
        "finished",
        "finished",
        LENGTH,
    )
    assert_steady(watcher.seen)


def assert_steady(seen: list[Event]) -> None:
    """Make sure that bytes were seen to come, again and again, and that the rate fits them."""
    counts = [event.data["received"] for event in seen]
    assert counts == sorted(counts)
    news = [one for one, before in zip(seen[1:], seen, strict=False) if differs(one, before)]
    assert len(news) >= 4
    assert max(later.at - earlier.at for earlier, later in pairwise(news)) < NEXT
    half = next(event for event in seen if event.data["received"] > LENGTH / 2)
    assert 0.1 < half.data["rate"] / (PIECE / PAUSE) < 2
    left = (LENGTH - half.data["received"]) / half.data["rate"]
    assert half.data["seconds_left"] == pytest.approx(left, abs=0.1)


def differs(one: Event, other: Event) -> bool:
    return bool(one.data["received"] != other.data["received"])


async def test_events_come_while_a_writer_has_begun_before(server: TusServer, watch: Begin) -> None:
    path = await server.create(LENGTH)
    sending = asyncio.create_task(send_slowly(server, path, silent=0.2))
    await asyncio.sleep(0.1)
    async with watch(server, path) as watcher:
        await watcher.until(lambda event: event.name == "finished")
    gaps = [later.at - earlier.at for earlier, later in pairwise(watcher.seen)]
    assert max(gaps) < NEXT
    assert await sending == 204


async def test_watching_disturbs_no_writer(server: TusServer, watch: Begin) -> None:
    """A HEAD would make it leave; its answer then would be 423."""
    path = await server.create(LENGTH)
    sending = asyncio.create_task(send_slowly(server, path))
    while not sending.done():
        async with watch(server, path) as watcher:
            await watcher.next()
    assert await sending == 204


async def test_an_upload_that_rests_says_nothing(
    server: TusServer, watch: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_WINDOW", 0.5)
    path = await server.create(LENGTH)
    await server.patch(path, 0, bytes(PIECE))
    async with watch(server, path) as watcher:
        await watcher.until(lambda event: event.data["rate"] == 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await watcher.next()


async def test_no_limit_of_requests_ends_a_watcher(data_dir: Path, watch: Begin) -> None:
    limits = Settings(
        data_dir=data_dir,
        disk_reserve=0,
        header_timeout=0.2,
        idle_timeout=0.2,
        keepalive_timeout=0.2,
    )
    async with run_server(data_dir, app=create_app(limits)) as server:
        path = await server.create(LENGTH)
        async with watch(server, path) as watcher:
            await asyncio.sleep(0.8)
            await server.delete(path)
            await watcher.until(lambda event: event.name == "terminated")


# --- Ends ---


async def finish(server: TusServer, path: str) -> None:
    await server.patch(path, 0, bytes(LENGTH))


async def terminate(server: TusServer, path: str) -> None:
    await server.delete(path)


async def damage(server: TusServer, path: str) -> None:
    (server.data_dir / next(iter(server.stored()))).unlink()


@pytest.mark.parametrize(
    ("act", "name"), [(finish, "finished"), (terminate, "terminated"), (damage, "failed")]
)
async def test_an_end_is_told_and_is_the_last(
    server: TusServer,
    watch: Begin,
    act: Callable[[TusServer, str], Awaitable[None]],
    name: str,
) -> None:
    path = await server.create(LENGTH)
    async with watch(server, path) as watcher:
        await watcher.next()
        await act(server, path)
        *_, last = await watcher.rest()
    assert (last.name, last.data["state"]) == (name, name)
    assert watcher.close_code in (None, 1000)


async def test_expiry_is_told(data_dir: Path, watch: Begin) -> None:
    now = time.time()
    async with run_server(data_dir, clock=lambda: now, expire_after=60) as server:
        path = await server.create(LENGTH)
        async with watch(server, path) as watcher:
            await watcher.next()
            now += 61
            assert [event.name for event in await watcher.rest()] == ["expired"]
        assert await status_of(watch(server, path)) == 410


async def test_a_finished_upload_is_told_at_once(any_server: TusServer, watch: Begin) -> None:
    path = await any_server.finished(b"hello")
    async with watch(any_server, path) as watcher:
        assert [event.name for event in await watcher.rest()] == ["finished"]
    assert watcher.close_code in (None, 1000)


async def test_an_event_source_that_saw_the_end_is_told_to_stay_away(server: TusServer) -> None:
    path = await server.create(5)
    url = f"http://{server.host}:{server.port}{path}"
    async with by_events(server.session, url, {}) as watcher:
        first = await watcher.next()
        assert "id" not in first.lines
        assert first.lines["retry"] == "1000"
        await server.delete(path)
        *_, last = await watcher.rest()
    answer = await server.get(f"{path}/events", {"Last-Event-ID": last.lines["id"]})
    assert (answer.status, answer.body) == (204, b"")
    assert (await server.get(f"{path}/events")).status == 404


async def test_an_event_source_whose_stream_broke_goes_on(server: TusServer) -> None:
    path = await server.create(5)
    url = f"http://{server.host}:{server.port}{path}"
    async with by_events(server.session, url, {"Last-Event-ID": ""}) as watcher:
        assert (await watcher.next()).name == "progress"


# --- Who may watch ---


async def test_what_is_not_there_cannot_be_watched(server: TusServer, watch: Begin) -> None:
    path = await server.finished(b"hello")
    assert await status_of(watch(server, "/files/" + "0" * 32)) == 404
    assert await status_of(watch(server, "/files/" + "0" * 31)) == 404
    assert await status_of(watch(server, path.replace("/files/", "/files/%30"))) == 404
    await damage(server, path)
    assert await status_of(watch(server, path)) == 404


async def test_uploads_of_others_cannot_be_watched(data_dir: Path, watch: Begin) -> None:
    async def owner_of(request: web.Request) -> str:
        if "Authorization" not in request.headers:
            raise web.HTTPUnauthorized
        return request.headers["Authorization"]

    app = create_app(Settings(data_dir=data_dir, disk_reserve=0), owner_of=owner_of)
    async with run_server(data_dir, app=app) as server:
        path = await server.create(5, {"Authorization": "alice"})
        assert await status_of(watch(server, path)) == 401
        assert await status_of(watch(server, path, Authorization="bob")) == 404
        async with watch(server, path, Authorization="alice") as watcher:
            await watcher.next()
            assert await status_of(watch(server, path, Authorization="bob")) == 404


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "DELETE"])
async def test_events_can_only_be_read(server: TusServer, method: str) -> None:
    path = await server.create(5)
    answer = await server.request(method, f"{path}/events")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert (await server.head(path)).status == 200


# --- Pages of other origins ---


ELSEWHERE, PARTNER = "https://elsewhere.example", "https://partner.example"


@pytest.mark.parametrize(
    ("origins", "origin", "may"),
    [
        (["*"], ELSEWHERE, True),
        ([PARTNER], PARTNER, True),
        ([PARTNER], ELSEWHERE, False),
        ([PARTNER], f"{PARTNER}.{ELSEWHERE.partition('//')[2]}", False),
        ([PARTNER], "null", False),
        ([], ELSEWHERE, False),
        ([], "{own}", True),
        ([], None, True),
    ],
)
async def test_a_page_may_watch_where_it_may_upload(
    data_dir: Path, origins: list[str], origin: str | None, may: bool
) -> None:
    async with run_server(data_dir, cors_origins=origins) as server:
        path = await server.create(5)
        url = f"http://{server.host}:{server.port}{path}"
        sent = {} if origin is None else {"Origin": origin.format(own=url.partition("/files")[0])}
        if may:
            async with by_websocket(server.session, url, sent) as watcher:
                await watcher.next()
        else:
            assert await status_of(by_websocket(server.session, url, sent)) == 403
        # Of events it is the browser that keeps them from the page.
        async with by_events(server.session, url, sent) as watcher:
            allowed = watcher.headers.get("Access-Control-Allow-Origin")
        assert (allowed is not None) == (may and bool(origins))


async def test_the_stream_has_every_header_that_answers_have(
    any_server: TusServer, watch: Begin
) -> None:
    path = await any_server.create(5)
    async with watch(any_server, path, Origin=ELSEWHERE, X_Request_ID="mine") as watcher:
        assert watcher.headers["Access-Control-Allow-Origin"] == "*"
        assert watcher.headers["X-Request-ID"] == "mine"
        assert watcher.headers["Tus-Resumable"] == "1.0.0"
        assert watcher.headers["Server"] == "tusd-py"


async def test_no_proxy_and_no_cache_keeps_events(server: TusServer) -> None:
    path = await server.create(5)
    url = f"http://{server.host}:{server.port}{path}"
    async with by_events(server.session, url, {}) as watcher:
        assert watcher.headers["Cache-Control"] == "no-store"
        assert watcher.headers["X-Accel-Buffering"] == "no"


# --- The connection ---


async def test_events_come_by_every_transport(open_server: Open) -> None:
    async with open_server() as server:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(request_head("GET", f"{path}/events"))
            async with asyncio.timeout(10):
                await connection.reader.readuntil(b"event: progress\r\n")
                await server.delete(path)
                await connection.reader.readuntil(b"event: terminated\r\n")
                await connection.reader.readuntil(b"\r\n0\r\n\r\n")
            await connection.send(request_head("OPTIONS", "/files/"))
            assert (await connection.receive()).status == 204


async def test_frames_pass_after_the_upgrade(any_server: TusServer) -> None:
    path = await any_server.create(5)
    url = f"http://{any_server.host}:{any_server.port}{path}/events"
    async with any_server.session.ws_connect(url, autoping=False) as watcher:
        await watcher.receive(timeout=5)
        await watcher.send_str("what a watcher says means nothing")
        await watcher.ping(b"there?")
        pong = await watcher.receive(timeout=5)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"there?")
        await watcher.close()
        assert watcher.close_code == 1000


async def test_a_broken_handshake_is_refused(any_server: TusServer) -> None:
    path = await any_server.create(5)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    answer = await any_server.get(f"{path}/events", upgrade)
    assert answer.status == 400


async def test_pings_keep_proxies_from_closing(
    server: TusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PING_EVERY", 0.1)
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(request_head("GET", f"{path}/events"))
        for _ in range(2):
            await asyncio.wait_for(connection.reader.readuntil(b": ping\r\n"), 5)
    url = f"http://{server.host}:{server.port}{path}/events"
    async with server.session.ws_connect(url, autoping=False) as watcher:
        await watcher.receive(timeout=5)
        assert (await watcher.receive(timeout=5)).type is aiohttp.WSMsgType.PING


# --- Those who go, and those who stand still ---


async def watchers(server: TusServer) -> float:
    return figures((await server.get("/metrics")).body)["tusd_py_watchers"]


async def none_are_left(server: TusServer) -> None:
    async with asyncio.timeout(10):
        while await watchers(server):
            await asyncio.sleep(0.02)


@pytest.mark.settings(metrics=True)
async def test_whoever_goes_is_forgotten(server: TusServer, watch: Begin) -> None:
    path = await server.create(5)
    async with watch(server, path) as one, watch(server, path) as other:
        for each in (one, other):
            # From then on nothing is sent that would find out.
            await each.until(lambda event: event.data["rate"] == 0)
        assert await watchers(server) == 2
    await none_are_left(server)


@asynccontextmanager
async def deaf(server: TusServer, path: str, *extra: str) -> AsyncIterator[None]:
    """A watcher who takes nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (server.host, server.port))
        await loop.sock_sendall(client, request_head("GET", f"{path}/events", *extra).encode())
        yield


HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.settings(metrics=True)
@pytest.mark.parametrize("extra", [(), HANDSHAKE], ids=WATCHES)
async def test_whoever_stands_still_is_dropped(
    server: TusServer, monkeypatch: pytest.MonkeyPatch, extra: tuple[str, ...]
) -> None:
    monkeypatch.setattr(events, "_SEND_WITHIN", 0.3)
    # Real events are so short that it would take days until nothing more can be sent.
    monkeypatch.setattr(events, "_described", lambda _: {"filling": "." * 8_000_000})
    path = await server.create(5)
    async with deaf(server, path, *extra):
        async with asyncio.timeout(10):
            while not await watchers(server):
                await asyncio.sleep(0.01)
        await none_are_left(server)


# --- The server stops ---


async def test_streams_end_when_the_server_stops(data_dir: Path, watch: Begin) -> None:
    async with run_server(data_dir) as server:
        path = await server.create(5)
        async with watch(server, path) as watcher:
            await watcher.next()
            await server.app.shutdown()
            assert await watcher.rest() == []
        assert watcher.close_code in (None, 1001)


async def test_watchers_do_not_hold_up_the_stop(data_dir: Path) -> None:
    """Not even one by WebSocket who never says goodbye."""
    stack = AsyncExitStack()
    async with stack, aiohttp.ClientSession() as session:
        server = await stack.enter_async_context(run_server(data_dir))
        path = await server.create(5)
        url = f"http://{server.host}:{server.port}{path}"
        async with asyncio.TaskGroup() as tasks, server.raw() as rude:
            await rude.send(request_head("GET", f"{path}/events", *HANDSHAKE))
            await asyncio.wait_for(rude.reader.readuntil(b'"progress"'), 5)
            for number in range(10):
                opened = list(WATCHES.values())[number % 2](session, url, {})
                tasks.create_task(watch_to_the_end(opened))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            await stack.aclose()
            assert time.monotonic() - began < 1


async def watch_to_the_end(opened: AbstractAsyncContextManager[Watcher]) -> None:
    async with opened as watcher:
        assert {event.name for event in await watcher.rest()} == {"progress"}


# --- Silence ---


@pytest.mark.parametrize("framing", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [30_000, 100_000, 4_000_000])
async def test_bytes_that_came_before_a_silence_show(
    server: TusServer, framing: str, sent: int
) -> None:
    path = await server.create(5_000_000)
    url = f"http://{server.host}:{server.port}{path}"
    body = bytes(sent) if "Length" in framing else b"%x\r\n%b\r\n" % (sent, bytes(sent))
    async with by_events(server.session, url, {}) as watcher, server.raw() as connection:
        await watcher.next()
        began = time.monotonic()
        await connection.send(patch_head(path, 0, framing).encode() + body)
        shown = await watcher.until(lambda event: event.data["received"] == sent)
        assert shown.at - began < 2 * NEXT
