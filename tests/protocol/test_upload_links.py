"""A signed link lets anybody send one upload's bytes for a while, and do nothing else."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.harness import OCTETS, TUS, Answer, TusServer
from tests.protocol.guarded import Guarded, by_key
from tests.protocol.test_concatenation import PARTIAL
from tusd_py import sign_download, sign_upload

KEYS = ("n" * 32, "o" * 32)
MISSING = "/files/" + "0" * 32


@pytest.fixture
def keys(data_dir: Path) -> str:
    file = data_dir.parent / "upload.keys"
    file.write_text("\n".join(KEYS))
    return str(file)


@pytest.fixture
async def guarded(data_dir: Path, keys: str) -> AsyncIterator[Guarded]:
    async with by_key(data_dir, upload_keys=keys, metrics=True) as running:
        yield running


def link_to(path: str, *, key: str = KEYS[0], seconds: float = 60) -> str:
    return sign_upload(path, key, expires_at=time.time() + seconds)


async def patch(server: TusServer, url: str, offset: int, body: bytes) -> Answer:
    return await server.request("PATCH", url, {**OCTETS, "Upload-Offset": str(offset)}, body)


@pytest.mark.parametrize("key", KEYS, ids=["new", "old"])
async def test_whoever_has_it_sends_the_bytes(guarded: Guarded, key: str) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, alice)
    link = link_to(path, key=key)
    assert (await patch(server, link, 0, b"hel")).offset == 3
    assert (await server.request("HEAD", link)).offset == 3
    override = {"X-HTTP-Method-Override": "PATCH", **OCTETS, "Upload-Offset": "3"}
    assert (await server.request("POST", link, override, b"lo")).status == 204
    # It is still the owner's, and nobody else's.
    assert (await server.get(path, alice)).body == b"hello"
    assert (await server.get(path, guarded.issue("bob"))).status == 404


async def test_it_lets_do_nothing_else(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, {**alice, **PARTIAL})
    link, query = link_to(path), link_to(path).partition("?")[2]
    assert (await patch(server, link, 0, b"hello")).status == 204
    for method, url, headers in (
        ("GET", link, {}),
        ("GET", f"{path}/events?{query}", {}),
        ("DELETE", link, TUS),
        ("POST", link, {**TUS, "X-HTTP-Method-Override": "DELETE"}),
        ("POST", f"/files/?{query}", {**TUS, "Upload-Length": "5"}),
        ("POST", f"/files/?{query}", {**TUS, "Upload-Concat": f"final;{path}"}),
    ):
        answer = await server.request(method, url, headers, tus=False)
        assert (method, url, answer.status) == (method, url, 401)
    assert (await server.head(path, alice)).offset == 5


@pytest.mark.parametrize(
    ("link", "code"),
    [
        (lambda path: link_to(path, key="x" * 32), "link_refused"),
        (lambda path: sign_download(path, KEYS[0], expires_at=time.time() + 60), "link_refused"),
        (lambda path: path + "?" + link_to(MISSING).partition("?")[2], "link_refused"),
        (lambda path: link_to(path).replace("expires=", "expires=1"), "link_refused"),
        (lambda path: link_to(path) + "&expires=9999999999", "link_refused"),
        (lambda path: f"{path}?signature=", "link_refused"),
        (lambda path: link_to(path, seconds=-1), "link_expired"),
    ],
    ids=["key", "purpose", "upload", "time", "twice", "empty", "expired"],
)
async def test_wrong_ones_open_nothing(
    guarded: Guarded, link: Callable[[str], str], code: str
) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, alice)
    answer = await patch(server, link(path), 0, b"hello")
    assert (answer.status, f'"{code}"' in answer.text) == (403, True)
    assert (await server.request("HEAD", link(path))).status == 403
    assert (await server.head(path, alice)).offset == 0


async def test_whether_an_upload_is_there_is_told_to_those_with_a_link(guarded: Guarded) -> None:
    wrong = link_to(MISSING, key="x" * 32)
    assert (await patch(guarded.server, wrong, 0, b"hello")).status == 403
    assert (await patch(guarded.server, link_to(MISSING), 0, b"hello")).status == 404


async def test_it_takes_no_right_from_its_owner(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, alice)
    assert (await server.patch(path, 0, b"hello", alice)).offset == 5
    assert (await server.request("DELETE", link_to(path), alice)).status == 204
    assert (await patch(server, link_to(path), 5, b"")).status == 404


async def test_without_keys_it_is_no_link(data_dir: Path) -> None:
    async with by_key(data_dir) as guarded:
        path = await guarded.server.create(5, guarded.issue("alice"))
        assert (await patch(guarded.server, link_to(path), 0, b"hello")).status == 401


async def test_events_are_there_beside_it(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(0, alice)
    assert (await server.get(f"{path}/events", alice)).status == 200
