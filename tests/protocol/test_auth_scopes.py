"""What each scope allows, and that a refusal names the one that is missing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import OCTETS, TUS, Answer, TusServer
from tests.protocol.guarded import Guarded, Headers, by_secret
from tests.protocol.test_concatenation import PARTIAL
from tusd_py.auth.identity import Scope

CREATE, APPEND, READ, TERMINATE, ADMIN = Scope
OVERRIDE = {"X-HTTP-Method-Override": "DELETE"}

#: Whichever of these is there is enough, for each action on one's own uploads.
ENOUGH: dict[str, set[Scope]] = {
    "create": {CREATE},
    "create a part": {CREATE},
    "join": {CREATE},
    "append": {APPEND},
    "ask for the offset": {READ, APPEND, CREATE, ADMIN},
    "download": {READ, ADMIN},
    "look at a download": {READ, ADMIN},
    "watch": {READ, ADMIN},
    "terminate": {TERMINATE, ADMIN},
    "terminate by another method": {TERMINATE, ADMIN},
}


@pytest.fixture
async def guarded(data_dir: Path) -> AsyncIterator[Guarded]:
    async with by_secret(data_dir) as running:
        yield running


async def act(guarded: Guarded, action: str, who: Headers) -> Answer:
    """Do *action* as *who*, about uploads of alice's."""
    server, alice, tus = guarded.server, guarded.issue("alice"), {**TUS, **who}
    if action == "append":
        return await server.patch(await server.create(5, alice), 0, b"hello", who)
    path = await finished(server, alice | (PARTIAL if action == "join" else {}))
    method, where, headers = {
        "create": ("POST", server.prefix, {**tus, "Upload-Length": "5"}),
        "create a part": ("POST", server.prefix, {**tus, **PARTIAL, "Upload-Length": "5"}),
        "join": ("POST", server.prefix, {**tus, "Upload-Concat": f"final;{path}"}),
        "ask for the offset": ("HEAD", path, tus),
        "download": ("GET", path, who),
        "look at a download": ("HEAD", path, who),
        "watch": ("GET", f"{path}/events", who),
        "terminate": ("DELETE", path, tus),
        "terminate by another method": ("POST", path, {**tus, **OVERRIDE}),
    }[action]
    return await server.request(method, where, headers, tus=False)


async def finished(server: TusServer, who: Headers) -> str:
    path = await server.create(5, who)
    authorization = {"Authorization": who["Authorization"]}
    assert (await server.patch(path, 0, b"hello", authorization)).status == 204
    return path


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("action", ENOUGH)
async def test_scope_allows_what_it_says(guarded: Guarded, action: str, scope: Scope) -> None:
    answer = await act(guarded, action, guarded.issue("alice", [scope]))
    if scope in ENOUGH[action]:
        assert 200 <= answer.status < 300
    elif action == "look at a download":
        # To whom it is no download it is a request of tus, without a version.
        assert answer.status == 412
    else:
        assert answer.status == 403
        assert_named(answer, ENOUGH[action] - {ADMIN})


def assert_named(answer: Answer, scopes: set[Scope]) -> None:
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="insufficient_scope", scope="')
    assert set(challenge.split('"')[3].split()) == set(scopes)
    if answer.body:
        assert '"code": "scope_missing"' in answer.text
        assert all(scope in answer.text for scope in scopes)


async def test_no_scope_allows_nothing(guarded: Guarded) -> None:
    for action in ENOUGH:
        answer = await act(guarded, action, guarded.issue("alice", []))
        assert answer.status == (412 if action == "look at a download" else 403), action


async def test_all_but_admin_allow_everything_of_ones_own(guarded: Guarded) -> None:
    for action in ENOUGH:
        who = guarded.issue("alice", [CREATE, APPEND, READ, TERMINATE])
        assert 200 <= (await act(guarded, action, who)).status < 300, action


async def test_creation_with_bytes_needs_both(guarded: Guarded) -> None:
    server = guarded.server
    headers = {"Upload-Length": "5", **OCTETS}
    for scopes, missing in (([CREATE], APPEND), ([APPEND], CREATE)):
        who = guarded.issue("alice", scopes)
        answer = await server.request("POST", server.prefix, {**headers, **who}, b"hello")
        assert answer.status == 403
        assert_named(answer, {missing})
    assert server.stored() == {}
    who = guarded.issue("alice", [CREATE, APPEND])
    answer = await server.request("POST", server.prefix, {**headers, **who}, b"hello")
    assert (answer.status, answer.offset) == (201, 5)


async def test_whether_an_upload_is_there_is_not_told_without_the_scope(guarded: Guarded) -> None:
    server, bob = guarded.server, guarded.issue("bob", [CREATE])
    path = await server.create(5, guarded.issue("alice"))
    for where in (path, "/files/" + "0" * 32):
        assert (await server.patch(where, 0, b"hello", bob)).status == 403
        assert (await server.get(where, bob)).status == 403
        assert (await server.request("DELETE", where, bob)).status == 403


@pytest.fixture
async def answering(data_dir: Path) -> AsyncIterator[Guarded]:
    """A server that tells the offset without being asked for it by tus."""
    async with by_secret(data_dir, head_without_version="answer") as running:
        yield running


async def test_who_uploads_learns_the_offset_without_a_version_too(answering: Guarded) -> None:
    server, who = answering.server, answering.issue("alice", [CREATE, APPEND])
    path = await finished(server, who)
    answer = await server.request("HEAD", path, who, tus=False)
    assert (answer.status, answer.offset) == (200, 5)
    answer = await server.request("HEAD", path, answering.issue("bob"), tus=False)
    assert answer.status == 404
