"""Signed links: where there are keys, finished uploads go to who has a link, while it is good."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import Answer, TusServer, run_server
from tests.protocol.test_concatenation import PARTIAL
from tusd_py import sign_download
from tusd_py.config.model import Settings
from tusd_py.server import create_app

OLD, NEW, FOREIGN = "old-" * 8, "new " * 16 + "and more", "foreign-" * 8
UNKNOWN = "/files/" + "0" * 32


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of keys that only its owner can read."""
    file = tmp_path / "download.keys"
    file.touch(mode=0o600)
    file.write_text(f"# the newest first\n\n  {NEW}  \n{OLD}\n")
    return file


@pytest.fixture
async def server(
    data_dir: Path, keys: Path, request: pytest.FixtureRequest
) -> AsyncIterator[TusServer]:
    marker = request.node.get_closest_marker("settings")
    settings = marker.kwargs if marker else {}
    async with run_server(data_dir, download_keys=keys, **settings) as running:
        yield running


def signed(path: str, key: str = NEW, seconds: float = 60) -> str:
    return sign_download(path, key, expires_at=time.time() + seconds)


def code(answer: Answer) -> str:
    return str(json.loads(answer.body)["code"])


class TestRight:
    @pytest.mark.parametrize("key", [NEW, OLD])
    async def test_links_are_good_whichever_key_signed_them(
        self, server: TusServer, key: str
    ) -> None:
        path = await server.finished(b"hello")
        answer = await server.get(signed(path, key))
        assert (answer.status, answer.body) == (200, b"hello")

    async def test_links_are_good_for_ranges_and_heads(self, server: TusServer) -> None:
        link = signed(await server.finished(b"hello"))
        part = await server.get(link, {"Range": "bytes=1-2"})
        assert (part.status, part.body) == (206, b"el")
        head = await server.request("HEAD", link, tus=False)
        assert (head.status, head.headers["Content-Length"]) == (200, "5")
        cached = await server.get(link, {"If-None-Match": head.headers["ETag"]})
        assert cached.status == 304

    async def test_links_may_have_more_in_their_query(self, server: TusServer) -> None:
        link = signed(await server.finished(b"hello"))
        assert (await server.get(f"{link}&utm_source=mail")).status == 200

    async def test_signature_is_the_documented_one(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        expires = str(int(time.time()) + 60)
        message = f"download\n{path.removeprefix('/files/')}\n{expires}".encode()
        signature = hmac.new(NEW.encode(), message, hashlib.sha256).hexdigest()
        link = f"{path}?expires={expires}&signature={signature}"
        assert (await server.get(link)).body == b"hello"
        assert sign_download(path, NEW, expires_at=int(expires)) == link

    async def test_links_to_what_is_not_there_are_404(self, server: TusServer) -> None:
        unfinished, part = await server.create(5), await server.finished(b"hello", PARTIAL)
        for path in (unfinished, part, UNKNOWN):
            assert (await server.get(signed(path))).status == 404
            assert (await server.request("HEAD", signed(path), tus=False)).status == 404

    async def test_links_are_for_one_upload(self, server: TusServer) -> None:
        first, second = await server.finished(b"hello"), await server.finished(b"world")
        query = signed(first).partition("?")[2]
        answer = await server.get(f"{second}?{query}")
        assert (answer.status, code(answer)) == (403, "link_refused")


class TestRefusal:
    async def test_says_nothing_of_whether_there_is_an_upload(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        answers = []
        for each in (path, UNKNOWN):
            good = signed(each)
            foreign = signed(each, FOREIGN)
            for link in (
                each,
                foreign,
                good[:-1],
                good + "0",
                good.replace("expires=", "expires=1"),
                good.partition("&")[0],
                good.replace("expires=", "expired="),
                f"{good}&expires=1",
                f"{good}&signature={'0' * 64}",
                good.replace("expires=", "expires=%2B"),
            ):
                answer = await server.get(link)
                assert (link, answer.status, code(answer)) == (link, 403, "link_refused")
                document = json.loads(answer.body)
                document.pop("request_id")
                answers.append(document)
        assert all(answer == answers[0] for answer in answers)

    async def test_tells_only_who_had_a_right_link_that_it_has_expired(
        self, server: TusServer
    ) -> None:
        path = await server.finished(b"hello")
        answer = await server.get(signed(path, seconds=-1))
        assert (answer.status, code(answer)) == (403, "link_expired")
        assert b"hello" not in answer.body
        answer = await server.get(signed(path, FOREIGN, seconds=-1))
        assert (answer.status, code(answer)) == (403, "link_refused")

    async def test_comes_with_the_clock_of_the_server(self, data_dir: Path, keys: Path) -> None:
        now = 1_800_000_000.0
        async with run_server(data_dir, clock=lambda: now, download_keys=keys) as server:
            link = sign_download(await server.finished(b"x"), NEW, expires_at=now + 60)
            assert (await server.get(link)).status == 200
            now += 59.9
            assert (await server.get(link)).status == 200
            now += 0.2
            assert code(await server.get(link)) == "link_expired"

    async def test_is_readable_by_pages_and_kept_by_nobody(self, server: TusServer) -> None:
        answer = await server.get(UNKNOWN, {"Origin": "https://page.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"].startswith("application/problem+json")

    async def test_is_for_heads_too(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        for link in (path, UNKNOWN, signed(path, FOREIGN), signed(path, seconds=-1)):
            assert (await server.request("HEAD", link, tus=False)).status == 403

    async def test_is_none_of_tus(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        assert (await server.head(path)).offset == 5
        assert (await server.delete(path)).status == 204

    @pytest.mark.settings(head_without_version="answer")
    async def test_leaves_heads_to_tus_where_those_need_no_version(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        answer = await server.request("HEAD", path, tus=False)
        assert (answer.status, answer.offset) == (200, 5)
        assert "Content-Disposition" not in answer.headers
        assert (await server.request("HEAD", f"{path}?expires=1", tus=False)).status == 403

    @pytest.mark.settings(downloads=False)
    async def test_does_not_matter_where_nothing_can_be_downloaded(self, server: TusServer) -> None:
        assert (await server.get(signed(await server.finished(b"hello")))).status == 405


class TestOwners:
    @asynccontextmanager
    async def _run(self, data_dir: Path, **settings: Any) -> AsyncIterator[TusServer]:
        async def owner_of(request: web.Request) -> str:
            if "Authorization" not in request.headers:
                raise web.HTTPUnauthorized
            return request.headers["Authorization"]

        chosen = Settings(data_dir=data_dir, disk_reserve=0, **settings)
        async with run_server(data_dir, app=create_app(chosen, owner_of=owner_of)) as running:
            yield running

    async def test_need_not_be_known_to_who_follows_a_link(
        self, data_dir: Path, keys: Path
    ) -> None:
        alice = {"Authorization": "alice"}
        async with self._run(data_dir, download_keys=keys) as server:
            path = await server.create(5, alice)
            await server.patch(path, 0, b"hello", alice)
            assert (await server.get(signed(path))).body == b"hello"
            assert (await server.get(path, alice)).status == 403
            assert (await server.head(path)).status == 401

    async def test_are_asked_where_there_are_no_keys(self, data_dir: Path) -> None:
        async with self._run(data_dir) as server:
            path = await server.create(0, {"Authorization": "alice"})
            assert (await server.get(signed(path))).status == 401
            assert (await server.request("HEAD", path, tus=False)).status == 401
            assert (await server.get(path, {"Authorization": "alice"})).status == 200


async def test_a_secret_is_in_no_log(server: TusServer, caplog: pytest.LogCaptureFixture) -> None:
    link = signed(await server.finished(b"hello"))
    with caplog.at_level("DEBUG"):
        await server.get(link)
        await server.get(signed(UNKNOWN))
    assert "GET" in caplog.text
    for secret in (link.rpartition("=")[2], NEW, OLD):
        assert secret not in caplog.text


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True)])
async def test_a_file_that_everybody_can_read_is_warned_of(
    data_dir: Path, keys: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    await asyncio.to_thread(keys.chmod, mode)
    async with run_server(data_dir, download_keys=keys):
        pass
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (
        told
        == [f"Every user of this machine can read the keys that sign downloads: chmod o= {keys}"]
        * warns
    )
