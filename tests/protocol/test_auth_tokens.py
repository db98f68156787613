"""Tokens that are wrong in any way open nothing, on any verb, and are shown nowhere."""

import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import OCTETS, TUS, TusServer
from tests.protocol.guarded import Guarded, Headers, by_key, by_tokens
from tests.protocol.test_concatenation import PARTIAL
from tests.signing import (
    bearer,
    signed,
    signed_with_public_key,
    tampered,
    unsigned,
    with_header,
)
from tusd_py.auth.tokens import new_token

GOOD = signed("ES256")
WRONG = {
    "expired": signed("ES256", exp=int(time.time()) - 60),
    "not valid yet": signed("ES256", nbf=int(time.time()) + 600),
    "endless": signed("ES256", exp=None),
    "another audience": signed("ES256", aud="mail"),
    "no audience": signed("ES256", aud=None),
    "another key": signed("ES256", 1),
    "another algorithm": signed("EdDSA"),
    "unsigned": unsigned(),
    "unsigned with a signature": unsigned("none") + GOOD.rpartition(".")[2],
    "key confusion": signed_with_public_key("ES256"),
    "changed owner": tampered(GOOD, sub="root"),
    "changed scope": tampered(GOOD, scope="admin"),
    "changed header": with_header(GOOD, alg="ES256", kid="other"),
    "no subject": signed("ES256", sub=None),
    "no token": "alice",
}


@pytest.fixture
async def guarded(data_dir: Path) -> AsyncIterator[Guarded]:
    async with by_key(data_dir, jwt_leeway=5) as running:
        yield running


@pytest.fixture
async def strict(data_dir: Path) -> AsyncIterator[Guarded]:
    async with by_key(data_dir, jwt_leeway=5, jwt_issuer="https://id.example") as running:
        yield running


async def statuses(server: TusServer, path: str, who: Headers) -> dict[str, int]:
    """Try every verb on *path*, and return what each was answered."""
    asked: dict[str, tuple[str, str, Headers, bytes | None]] = {
        "create": ("POST", "/files/", {**TUS, "Upload-Length": "5"}, None),
        "create with": ("POST", "/files/", {**TUS, **OCTETS, "Upload-Length": "5"}, b"hello"),
        "join": ("POST", "/files/", {**TUS, "Upload-Concat": f"final;{path}"}, None),
        "head": ("HEAD", path, TUS, None),
        "patch": ("PATCH", path, {**TUS, **OCTETS, "Upload-Offset": "0"}, b"hello"),
        "get": ("GET", path, {}, None),
        "events": ("GET", f"{path}/events", {}, None),
        "delete": ("DELETE", path, TUS, None),
        "override": ("POST", path, {**TUS, "X-HTTP-Method-Override": "DELETE"}, None),
    }
    return {
        name: (await server.request(method, where, {**headers, **who}, body, tus=False)).status
        for name, (method, where, headers, body) in asked.items()
    }


@pytest.mark.parametrize("kind", WRONG)
async def test_a_wrong_token_opens_nothing(guarded: Guarded, kind: str) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, {**alice, **PARTIAL})
    answers = await statuses(server, path, bearer(WRONG[kind]))
    assert set(answers.values()) == {401}, answers
    assert (await server.head(path, alice)).offset == 0
    assert len(server.stored()) == 1


async def test_the_issuer_counts_where_it_is_set(strict: Guarded) -> None:
    server = strict.server
    alice = bearer(signed("ES256", iss="https://id.example"))
    path = await server.create(5, {**alice, **PARTIAL})
    for token in (signed("ES256", iss="https://evil.example"), GOOD):
        answers = await statuses(server, path, bearer(token))
        assert set(answers.values()) == {401}, answers
    assert (await server.head(path, alice)).status == 200


async def test_a_refreshed_token_goes_on(guarded: Guarded) -> None:
    server, now = guarded.server, int(time.time())
    path = await server.create(5, bearer(signed("ES256", jti="first", exp=now - 1)))
    refreshed = bearer(signed("ES256", jti="second", exp=now + 600, scope="append"))
    assert (await server.head(path, refreshed)).offset == 0
    assert (await server.patch(path, 0, b"hello", refreshed)).offset == 5


@pytest.mark.parametrize("place", ["query", "cookie", "basic", "header", "form"])
async def test_a_token_anywhere_else_is_none(guarded: Guarded, place: str) -> None:
    query = f"?access_token={GOOD}&token={GOOD}" if place == "query" else ""
    headers = {
        "query": {},
        "cookie": {"Cookie": f"Authorization=Bearer {GOOD}; access_token={GOOD}"},
        "basic": {"Authorization": f"Basic {GOOD}"},
        "header": {"X-Authorization": f"Bearer {GOOD}", "Proxy-Authorization": f"Bearer {GOOD}"},
        "form": {"Upload-Metadata": f"Authorization {GOOD.replace('.', '')}"},
    }[place]
    answer = await guarded.server.request(
        "POST", f"/files/{query}", {"Upload-Length": "5", **headers}
    )
    assert answer.status == 401


async def test_two_tokens_are_none(guarded: Guarded) -> None:
    async with guarded.server.raw() as connection:
        twice = f"Authorization: Bearer {GOOD}\r\n" * 2
        await connection.send(
            "POST /files/ HTTP/1.1\r\nHost: test\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n"
            f"{twice}\r\n"
        )
        assert (await connection.receive()).status == 401


async def test_tokens_are_in_no_log_and_no_answer(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    unknown = new_token()
    async with by_tokens(data_dir) as guarded:
        server, alice = guarded.server, guarded.issue("alice")
        path = await server.create(5, alice)
        for who in (alice, bearer(unknown)):
            await statuses(server, path, who)
            answer = await server.request("POST", "/files/", {**who, "Upload-Length": "5"})
            said = answer.text + str(answer.headers)
            assert who["Authorization"].removeprefix("Bearer ") not in said
    assert "401" in caplog.text
    for token in (unknown, alice["Authorization"].removeprefix("Bearer ")):
        assert token not in caplog.text


async def test_failures_are_counted(data_dir: Path) -> None:
    async with by_key(data_dir, metrics=True) as guarded:
        server = guarded.server
        for who in ({}, bearer(WRONG["expired"]), guarded.issue("alice", ["read"])):
            await server.request("POST", "/files/", {**who, "Upload-Length": "5"})
        # Whoever may reach the figures may read them: no name is in them.
        text = (await server.get("/metrics")).text
    assert "tusd_py_auth_failures_total 2.0" in text
    assert 'tusd_py_requests_refused_total{code="unauthenticated"} 2.0' in text
    assert 'tusd_py_requests_refused_total{code="scope_missing"} 1.0' in text
    assert "alice" not in text


async def test_a_signed_link_is_enough_to_download(data_dir: Path) -> None:
    """Whoever signed it answers for it: who follows a link has no token."""
    from tusd_py import sign_download  # noqa: PLC0415 - one test needs it

    keys = data_dir.parent / "links"
    keys.write_text("k" * 32)
    async with by_key(data_dir, download_keys=str(keys)) as guarded:
        server, alice = guarded.server, guarded.issue("alice")
        path = await server.create(5, alice)
        await server.patch(path, 0, b"hello", alice)
        link = sign_download(path, "k" * 32, expires_at=time.time() + 60)
        assert (await server.get(link)).body == b"hello"
        assert (await server.get(path, alice)).status == 403
        assert (await server.request("DELETE", link)).status == 401
        assert (await server.request("HEAD", link)).status == 401
