"""Another service decides: what it is told, and what is made of its answer, or of none."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.services import Service, always, hang
from tests.unit.auth.calls import FakeCall
from tusd_py.auth.forwarding import ForwardAuth
from tusd_py.auth.identity import ORDINARY, Identity, Scope
from tusd_py.auth.outgoing import open_outgoing
from tusd_py.errors import AccessRefused, AuthUnavailable, Unauthenticated

CALL = FakeCall(authorization="Bearer top-secret", cookie="session=1; theme=dark")


@pytest.fixture
async def known(service: Service) -> AsyncIterator[ForwardAuth]:
    async with open_outgoing(service.url, within=0.5) as outgoing:
        yield ForwardAuth(outgoing, owner_header="X-Auth-Subject")


async def test_the_service_is_told_who_asks_for_what(service: Service, known: ForwardAuth) -> None:
    service.answer = always(X_Auth_Subject="alice")
    assert await known.identify(CALL) == Identity("alice", ORDINARY)
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.can_read_body) == ("GET", "/asked", False)
    told = {
        "Authorization": "Bearer top-secret",
        "Cookie": "session=1; theme=dark",
        "X-Forwarded-Method": "PATCH",
        "X-Forwarded-Uri": "/files/0123",
        "X-Forwarded-Host": "example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.1",
        # Not what a browser accepts: some services would redirect it to a page for signing in.
        "Accept": "application/json",
    }
    assert {name: asked.headers.get(name) for name in told} == told
    forwarded = {name for name in asked.headers if name.startswith("X-Forwarded-")}
    assert forwarded < set(told)


async def test_what_there_is_not_is_not_told(service: Service, known: ForwardAuth) -> None:
    service.answer = always(204, X_Auth_Subject="alice")
    await known.identify(FakeCall(client=None, host=""))
    headers = service.asked[0].headers
    for name in ("Authorization", "Cookie", "X-Forwarded-For", "X-Forwarded-Host"):
        assert name not in headers


async def test_bytes_that_are_no_text_do_no_harm(service: Service, known: ForwardAuth) -> None:
    service.answer = always(401)
    with pytest.raises(Unauthenticated):
        await known.identify(FakeCall(authorization="Bearer \udcff", cookie="a=\udcfe\u00e4"))


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ("read", {Scope.READ}),
        ("tus:read admin  unknown", {Scope.READ, Scope.ADMIN}),
        ("", set()),
        ("create,append", set()),
    ],
)
async def test_the_service_may_say_what_may_be_done(
    service: Service, known: ForwardAuth, said: str, scopes: set[Scope]
) -> None:
    service.answer = always(X_Auth_Subject="alice", X_Auth_Scope=said)
    assert (await known.identify(CALL)).scopes == scopes


async def test_nothing_of_one_request_goes_into_the_next(service: Service) -> None:
    service.answer = always(X_Auth_Subject="alice", Set_Cookie="session=alices; Path=/")
    # By a name: of an address nobody would keep a cookie anyway.
    url = service.url.replace("127.0.0.1", "localhost")
    async with open_outgoing(url, within=5) as outgoing:
        known = ForwardAuth(outgoing, owner_header="X-Auth-Subject")
        await known.identify(CALL)
        service.answer = always(X_Auth_Subject="bob")
        assert (await known.identify(FakeCall())).owner == "bob"
    assert "Cookie" not in service.asked[1].headers, "a cookie of one user came with another"


@pytest.mark.parametrize(
    ("said", "challenge"),
    [
        ({}, "Bearer"),
        ({"WWW_Authenticate": 'Basic realm="files"'}, 'Basic realm="files"'),
    ],
)
async def test_401_is_passed_on(
    service: Service, known: ForwardAuth, said: dict[str, str], challenge: str
) -> None:
    service.answer = always(401, **said)
    with pytest.raises(Unauthenticated) as caught:
        await known.identify(CALL)
    assert caught.value.challenge == challenge


async def test_403_is_passed_on(service: Service, known: ForwardAuth) -> None:
    service.answer = always(403)
    with pytest.raises(AccessRefused) as caught:
        await known.identify(CALL)
    assert caught.value.challenge is None


async def redirect(request: web.Request) -> web.Response:
    if request.path == "/login":
        return web.Response(headers={"X-Auth-Subject": "everybody"})
    return web.Response(status=302, headers={"Location": "/login"})


async def two_owners(_: web.Request) -> web.Response:
    response = web.Response(headers={"X-Auth-Subject": "alice"})
    response.headers.add("X-Auth-Subject", "bob")
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"X-Auth-Subject": "alice"})
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


@pytest.mark.parametrize(
    "answer",
    [
        *(always(500), always(502), always(404), always(400), always(429), always(304)),
        *(redirect, hang, endless, two_owners),
        *(always(200), always(X_Auth_Subject=""), always(X_Auth_Subject="a" * 257)),
        *(always(X_Auth_Subject="a\tb"), always(Remote_User="alice")),
    ],
    ids=[
        *("500", "502", "404", "400", "429", "304", "redirect", "slow", "endless", "two owners"),
        *("no owner", "empty owner", "long owner", "odd owner", "owner elsewhere"),
    ],
)
async def test_any_other_answer_is_no_refusal_and_lets_nobody_in(
    service: Service, known: ForwardAuth, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    service.answer = answer  # type: ignore[assignment] # one of those above
    async with asyncio.timeout(3):
        with pytest.raises(AuthUnavailable) as caught:
            await known.identify(CALL)
    assert [request.path for request in service.asked] == ["/asked"]
    assert caught.value.reason in caplog.text
    assert "top-secret" not in caplog.text + caught.value.message


async def test_a_service_that_is_not_there_is_no_refusal(unused_tcp_port: int) -> None:
    async with open_outgoing(f"http://127.0.0.1:{unused_tcp_port}/", within=0.5) as outgoing:
        with pytest.raises(AuthUnavailable):
            await ForwardAuth(outgoing, owner_header="X").identify(CALL)


async def test_an_endless_answer_ends_long_before_its_time(service: Service) -> None:
    service.answer = endless
    async with open_outgoing(service.url, within=60) as outgoing, asyncio.timeout(10):
        with pytest.raises(AuthUnavailable) as caught:
            await ForwardAuth(outgoing, owner_header="X-Auth-Subject").identify(CALL)
    assert "answered more than" in caught.value.reason
