"""While the service that knows everybody is down or lies, nobody gets in or loses bytes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import OCTETS, TUS
from tests.protocol.guarded import Guarded, Headers, believe, by_forwarding, by_published_keys
from tests.services import Answering, Service, always, document, hang
from tests.signing import bearer, jwk, signed

VERBS: dict[str, tuple[str, Headers, bytes | None]] = {
    "HEAD": ("", TUS, None),
    "PATCH": ("", {**TUS, **OCTETS, "Upload-Offset": "3"}, b"lo"),
    "DELETE": ("", TUS, None),
    "GET": ("", {}, None),
}


@pytest.fixture
async def forwarding(data_dir: Path) -> AsyncIterator[Guarded]:
    """A server that asks another service about each request."""
    async with by_forwarding(data_dir, trusted_proxies="127.0.0.1") as running:
        yield running


def service_of(guarded: Guarded) -> Service:
    assert guarded.service is not None
    return guarded.service


async def redirect(request: web.Request) -> web.Response:
    if request.path == "/login":
        return web.Response(headers={"X-Auth-Subject": "alice"})
    return web.Response(status=302, headers={"Location": "/login"})


async def abort(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    "answer",
    [always(500), always(429), always(200), hang, redirect, abort],
    ids=["500", "429", "no owner", "slow", "redirect", "broken off"],
)
async def test_the_bytes_outlive_a_service_that_is_down(
    forwarding: Guarded, answer: Answering
) -> None:
    server, alice, service = forwarding.server, forwarding.issue("alice"), service_of(forwarding)
    path = await server.create(5, alice)
    assert (await server.patch(path, 0, b"hel", alice)).offset == 3
    service.answer = answer
    for verb, (below, headers, body) in VERBS.items():
        refused = await server.request(verb, path + below, {**headers, **alice}, body, tus=False)
        # tus-js-client gives an upload up at any answer to HEAD but 2xx and 423.
        assert (verb, refused.status) == (verb, 423 if verb == "HEAD" else 503)
        assert int(refused.headers["Retry-After"]) > 0
    refused = await server.request("POST", "/files/", {"Upload-Length": "5", **alice})
    assert (refused.status, '"code": "auth_unavailable"' in refused.text) == (503, True)
    service.answer = believe
    assert (await server.head(path, alice)).offset == 3
    assert (await server.patch(path, 3, b"lo", alice)).offset == 5
    assert (await server.get(path, alice)).body == b"hello"
    assert len(server.stored()) == 1


async def test_the_service_refuses_in_its_own_way(forwarding: Guarded) -> None:
    server, service = forwarding.server, service_of(forwarding)
    service.answer = always(401, WWW_Authenticate='Basic realm="files"')
    answer = await server.request("POST", "/files/", {"Upload-Length": "5"})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="files"')
    service.answer = always(403)
    answer = await server.request("POST", "/files/", {"Upload-Length": "5"})
    assert (answer.status, "WWW-Authenticate" in answer.headers) == (403, False)
    assert '"code": "access_refused"' in answer.text


async def test_the_service_is_told_what_a_trusted_proxy_saw(forwarding: Guarded) -> None:
    server, service = forwarding.server, service_of(forwarding)
    await server.request(
        "POST",
        "/files/?a=%20b",
        {
            "X-HTTP-Method-Override": "PATCH",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "uploads.example",
            "X-Forwarded-Prefix": "/store",
            "X-Forwarded-For": "198.51.100.7",
            "X-Forwarded-Method": "GET",
            "X-Forwarded-Uri": "/harmless",
            "X-Auth-Subject": "root",
            "Cookie": "session=1",
        },
    )
    (asked,) = service.asked
    told = {name: asked.headers.getall(name) for name in asked.headers}
    assert told["X-Forwarded-Method"] == ["PATCH"]
    assert told["X-Forwarded-Uri"] == ["/store/files/?a=%20b"]
    assert told["X-Forwarded-Proto"] == ["https"]
    assert told["X-Forwarded-Host"] == ["uploads.example"]
    assert told["X-Forwarded-For"] == ["198.51.100.7"]
    assert told["Cookie"] == ["session=1"]
    assert "X-Auth-Subject" not in told


async def test_clients_do_not_say_themselves_who_they_are(forwarding: Guarded) -> None:
    headers = {"X-Auth-Subject": "alice", "X-Auth-Scope": "admin", "Upload-Length": "5"}
    assert (await forwarding.server.request("POST", "/files/", headers)).status == 401


async def test_each_request_is_asked_about_once(forwarding: Guarded) -> None:
    server, alice, service = forwarding.server, forwarding.issue("alice"), service_of(forwarding)
    path = await server.create(5, alice)
    requests = [("HEAD", TUS), ("HEAD", {}), ("GET", {}), ("DELETE", TUS)]
    for number, (method, headers) in enumerate(requests, start=2):
        await server.request(method, path, {**headers, **alice}, tus=False)
        assert len(service.asked) == number


async def test_new_keys_come_without_a_restart(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tusd_py.auth.key_set.LOOK_EVERY", 0.0)
    async with by_published_keys(data_dir) as guarded:
        server, service = guarded.server, service_of(guarded)
        path = await server.create(5, guarded.issue("alice"))
        rotated = bearer(signed("ES256", 7, kid="new"))
        assert (await server.head(path, rotated)).status == 401
        service.answer = document({"keys": [jwk("ES256", 7, kid="new")]})
        assert (await server.head(path, rotated)).status == 200
        # Whoever has a token of the old key has to get a new one, and goes on with that.
        assert (await server.patch(path, 0, b"hello", guarded.issue("alice"))).status == 401
        assert (await server.patch(path, 0, b"hello", rotated)).offset == 5


async def test_known_keys_are_enough_while_nobody_publishes_them(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tusd_py.auth.key_set.LOOK_EVERY", 0.0)
    monkeypatch.setattr("tusd_py.auth.key_set.FRESH_FOR", 0.0)
    async with by_published_keys(data_dir) as guarded:
        server, service, alice = guarded.server, service_of(guarded), guarded.issue("alice")
        path = await server.create(5, alice)
        service.answer = always(500)
        for offset, byte in enumerate(b"hello"):
            assert (await server.patch(path, offset, bytes([byte]), alice)).status == 204
        unknown = bearer(signed("ES256", 7, kid="new"))
        assert (await server.head(path, unknown)).status == 423
        assert (await server.get(path, unknown)).status == 503


async def test_a_server_starts_while_nobody_publishes_keys(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tusd_py.auth.key_set.LOOK_EVERY", 0.0)
    async with by_published_keys(data_dir) as guarded:
        server, service, alice = guarded.server, service_of(guarded), guarded.issue("alice")
        good, service.answer = service.answer, hang
        refused = await server.request("POST", "/files/", {"Upload-Length": "5", **alice})
        assert refused.status == 503
        service.answer = good
        assert await server.create(5, alice)
