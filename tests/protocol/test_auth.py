"""Whose uploads are whose, on every verb, however a server finds out who asks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import OCTETS, TUS, Answer, TusServer
from tests.protocol.guarded import GUARDS, Guarded, Headers
from tests.protocol.test_concatenation import PARTIAL, until_joined
from tusd_py.auth.identity import Scope

MISSING = "/files/" + "0" * 32
#: Every verb on an upload, with what it takes.
VERBS: dict[str, tuple[str, str, Headers, bytes | None]] = {
    "HEAD": ("HEAD", "", TUS, None),
    "PATCH": ("PATCH", "", {**TUS, **OCTETS, "Upload-Offset": "0"}, b"hello"),
    "override": ("POST", "", {**TUS, "X-HTTP-Method-Override": "DELETE"}, None),
    "DELETE": ("DELETE", "", TUS, None),
    "GET": ("GET", "", {}, None),
    "events": ("GET", "/events", {}, None),
}


@pytest.fixture(params=GUARDS)
async def guarded(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Guarded]:
    """A server guarded in each way, one after the other."""
    marker = request.node.get_closest_marker("settings")
    settings = marker.kwargs if marker else {}
    async with GUARDS[request.param](data_dir, **settings) as running:
        yield running


async def ask(server: TusServer, verb: str, path: str, who: Headers) -> Answer:
    method, below, headers, body = VERBS[verb]
    return await server.request(method, path + below, {**headers, **who}, body, tus=False)


def code_of(answer: Answer) -> str:
    """Return the code in the body, which an answer to HEAD has not."""
    return "" if not answer.body else answer.text.partition('"code": "')[2].partition('"')[0]


async def upload(server: TusServer, who: Headers, **headers: str) -> str:
    """Create an upload of five bytes."""
    return await server.create(5, who | {name.replace("_", "-"): v for name, v in headers.items()})


async def test_nobody_gets_in_who_is_nobody(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await upload(server, alice)
    for verb in VERBS:
        for where in (path, MISSING):
            answer = await ask(server, verb, where, {})
            assert (verb, answer.status) == (verb, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    # Strangers are not told either what is wrong with what they ask.
    for headers in ({"Upload-Length": "5"}, {"Upload-Length": "5", **OCTETS}, {}):
        answer = await server.request("POST", server.prefix, headers, b"hello")
        assert answer.status == 401
    concat = {"Upload-Concat": f"final;{path}"}
    assert (await server.request("POST", server.prefix, concat)).status == 401
    assert (await server.head(path, alice)).offset == 0
    assert len(server.stored()) == 1


async def test_who_does_not_upload_is_not_asked(guarded: Guarded) -> None:
    server = guarded.server
    assert (await server.options()).status == 204
    assert (await server.request("OPTIONS", MISSING)).status == 204
    preflight = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,tus-resumable,upload-offset",
    }
    answer = await server.options(preflight)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    for path in ("/healthz", "/"):
        assert (await server.get(path)).status == 200
    assert guarded.service is None or not guarded.service.asked


async def test_refusals_can_be_read_by_pages(guarded: Guarded) -> None:
    headers = {"Origin": "https://page.example", "Upload-Length": "5"}
    answer = await guarded.server.request("POST", "/files/", headers)
    assert answer.status == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_an_upload_is_its_owners(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await upload(server, alice)
    assert (await server.patch(path, 0, b"hel", alice)).offset == 3
    assert (await server.head(path, guarded.issue("alice"))).offset == 3
    assert (await server.patch(path, 3, b"lo", guarded.issue("alice"))).offset == 5
    assert (await server.get(path, alice)).body == b"hello"
    assert (await ask(server, "DELETE", path, alice)).status == 204
    assert (await ask(server, "GET", path, alice)).status == 404


@pytest.mark.parametrize("finished", [False, True])
async def test_to_others_it_is_not_there(guarded: Guarded, finished: bool) -> None:
    server, alice, bob = guarded.server, guarded.issue("alice"), guarded.issue("bob")
    path = await upload(server, alice)
    if finished:
        await server.patch(path, 0, b"hello", alice)
    for verb in VERBS:
        theirs, missing = [await ask(server, verb, where, bob) for where in (path, MISSING)]
        assert (verb, theirs.status, code_of(theirs)) == (verb, 404, code_of(missing))
        assert missing.status == 404
    assert (await server.head(path, alice)).offset == 5 * finished


@pytest.mark.settings(foreign_uploads="refuse")
async def test_to_others_it_is_somebody_elses_where_that_may_be_known(guarded: Guarded) -> None:
    server, alice, bob = guarded.server, guarded.issue("alice"), guarded.issue("bob")
    path = await upload(server, alice)
    for verb in VERBS:
        theirs, missing = [await ask(server, verb, where, bob) for where in (path, MISSING)]
        assert (verb, theirs.status, missing.status) == (verb, 403, 404)
        assert code_of(theirs) == ("" if verb == "HEAD" else "foreign_upload")
    assert (await server.head(path, alice)).offset == 0


async def test_parts_of_others_cannot_be_joined(guarded: Guarded) -> None:
    server, alice, bob = guarded.server, guarded.issue("alice"), guarded.issue("bob")
    theirs = await upload(server, alice, **PARTIAL)
    own = await upload(server, bob, **PARTIAL)
    await server.patch(theirs, 0, b"hello", alice)
    await server.patch(own, 0, b"world", bob)
    for who in (bob, guarded.issue("bob", ["create", "admin"])):
        answers = []
        for part in (theirs, MISSING):
            concat = {"Upload-Concat": f"final;{own} {part}", **who}
            answers.append(await server.request("POST", server.prefix, concat))
        assert [answer.status for answer in answers] == [400, 400]
        assert [code_of(answer) for answer in answers] == ["invalid_part", "invalid_part"]
    whole = await server.create(None, {"Upload-Concat": f"final;{own}", **bob})
    await until_joined(server, whole, bob)
    assert (await server.get(whole, bob)).body == b"world"
    assert (await server.get(whole, alice)).status == 404


async def test_an_admin_reads_and_removes_and_does_not_write(guarded: Guarded) -> None:
    server, alice, root = guarded.server, guarded.issue("alice"), guarded.issue("root", ["admin"])
    path = await upload(server, alice)
    statuses = [(await ask(server, verb, path, root)).status for verb in ("HEAD", "PATCH")]
    assert statuses == [200, 403]
    everything = guarded.issue("root", list(Scope))
    assert (await ask(server, "PATCH", path, everything)).status == 404
    await server.patch(path, 0, b"hello", alice)
    assert (await server.get(path, root)).body == b"hello"
    assert b"event: finished" in (await ask(server, "events", path, root)).body
    assert (await ask(server, "DELETE", path, root)).status == 204
    for verb in ("HEAD", "GET", "DELETE"):
        assert (await ask(server, verb, path, root)).status == 404


async def test_a_stranger_does_not_disturb_the_owners_transfer(guarded: Guarded) -> None:
    server, alice, bob = guarded.server, guarded.issue("alice"), guarded.issue("bob")
    path = await upload(server, alice)
    went_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"hel"
        await went_on.wait()
        yield b"lo"

    sending = asyncio.create_task(server.patch(path, 0, slowly(), alice))
    await asyncio.sleep(0.1)
    for verb in ("HEAD", "PATCH", "DELETE"):
        for who, status in ((bob, 404), ({}, 401)):
            assert (await ask(server, verb, path, who)).status == status
    went_on.set()
    assert (await sending).offset == 5
