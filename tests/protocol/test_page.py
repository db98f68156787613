"""The page at /: what it allows, how it is kept, and that it is in nobody's way."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import tusd_py
from tests.harness import TUS, Answer, TusServer, run_server
from tests.signing import AUDIENCE, public_pem
from tusd_py.auth.tokens import new_token, token_line
from tusd_py.config.model import Settings
from tusd_py.server import add_tus_routes
from tusd_py.web import page

SOURCES = Path(tusd_py.__file__).parent / "page"
SCRIPT, STYLE, LICENCES = "page-AAAAAAAA.js", "page-BBBBBBBB.css", "licences.txt"

Break = Callable[[Path], object]


@pytest.fixture(autouse=True)
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What scripts/page would build, whether or not it has been run."""
    package = tmp_path / "package"
    shutil.copytree(SOURCES, package / "page", ignore=shutil.ignore_patterns("node_modules", "st*"))
    static = package / "page" / "static"
    static.mkdir()
    for name in (SCRIPT, STYLE, LICENCES):
        (static / name).write_text(f"/* {name} */")
    names = {"script": SCRIPT, "style": STYLE, "licences": LICENCES}
    (static / "manifest.json").write_text(json.dumps(names))
    monkeypatch.setattr(page, "files", lambda _: package)
    return static


def policy(answer: Answer) -> dict[str, str]:
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


async def test_the_page_names_its_files_and_the_uploads_relative_to_itself(
    server: TusServer,
) -> None:
    answer = await server.get("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f'src="page/{SCRIPT}"' in answer.text
    assert f'href="page/{STYLE}"' in answer.text
    assert 'data-uploads="./files/"' in answer.text
    assert 'data-bundle="built"' in answer.text
    assert "$" not in answer.text


async def test_only_this_server_is_loaded_from_and_nothing_inline_is_obeyed(
    server: TusServer,
) -> None:
    for path in ("/", f"/page/{SCRIPT}", f"/page/{STYLE}"):
        answer = await server.get(path)
        assert policy(answer) == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' blob: data:",
            "connect-src": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


async def test_there_is_nothing_inline() -> None:
    index = (SOURCES / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", index) == []


@pytest.mark.parametrize("name", [SCRIPT, STYLE])
async def test_files_named_after_their_content_are_kept_for_good(
    server: TusServer, name: str
) -> None:
    answer = await server.get(f"/page/{name}")
    assert answer.text == f"/* {name} */"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] in (
        "text/javascript; charset=utf-8",
        "text/css; charset=utf-8",
    )


@pytest.mark.parametrize("path", ["/", f"/page/{LICENCES}"])
async def test_other_files_are_asked_for_again_and_sent_when_they_changed(
    server: TusServer, path: str
) -> None:
    first = await server.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = await server.get(path, {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await server.get(path, {"If-None-Match": '"other"'})
    assert other.status == 200


@pytest.mark.parametrize("path", ["/", f"/page/{SCRIPT}", f"/page/{LICENCES}"])
async def test_head_answers_like_get_without_the_body(server: TusServer, path: str) -> None:
    whole = await server.get(path)
    head = await server.request("HEAD", path, tus=False)
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Security-Policy"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    "path",
    [
        *("/page/", "/page/missing.js", "/page/manifest.json", "/page/plain.js"),
        *("/page/../index.html", "/page/..%2findex.html", "/page/%2e%2e/web/page.py"),
        *(f"/page/{SCRIPT}/", f"/page/{SCRIPT}%00", "/index.html"),
    ],
)
async def test_no_path_leads_to_any_other_file(server: TusServer, path: str) -> None:
    async with server.raw() as connection:
        await connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await connection.receive()).status == 404


async def test_only_get_and_head_are_for_the_page(server: TusServer) -> None:
    answer = await server.request("POST", "/", body=b"x", tus=False)
    assert answer.status == 405


@pytest.mark.settings(page=False)
async def test_there_is_no_page_where_it_is_switched_off(server: TusServer) -> None:
    for path in ("/", f"/page/{SCRIPT}"):
        assert (await server.get(path)).status == 404


@pytest.mark.parametrize("base_path", ["/", "/page/", "/a/b/"])
async def test_uploads_may_be_anywhere(data_dir: Path, base_path: str) -> None:
    async with run_server(data_dir, base_path=base_path) as server:
        index = await server.get("/")
        assert f'data-uploads=".{base_path}"' in index.text
        assert (await server.get(f"/page/{SCRIPT}")).status == 200

        upload = await server.create(5)
        assert upload.startswith(base_path)
        assert (await server.patch(upload, 0, b"hello")).status == 204
        assert (await server.get(upload)).body == b"hello"
        options = await server.request("OPTIONS", base_path)
        assert options.headers["Tus-Version"] == "1.0.0"


async def test_an_application_with_uploads_in_it_gets_no_page(data_dir: Path) -> None:
    app = web.Application()
    add_tus_routes(app, settings=Settings(data_dir=data_dir, disk_reserve=0))
    async with run_server(data_dir, app=app) as server:
        assert (await server.get("/")).status == 404


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "open"), ({"downloads": False}, "off"), ({"download_keys": "keys"}, "signed")],
)
async def test_the_page_knows_whether_links_lead_anywhere(
    data_dir: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    if "download_keys" in settings:
        keys = tmp_path / "keys"
        keys.write_text("a secret that is long enough to sign with, in any case\n")
        keys.chmod(0o600)
        settings = {"download_keys": keys}
    async with run_server(data_dir, **settings) as server:
        index = await server.get("/")
        assert f'data-downloads="{said}"' in index.text


@pytest.mark.parametrize(
    ("auth", "said"), [("none", ""), ("tokens", "needed"), ("jwt", "needed"), ("forward", "")]
)
async def test_the_page_knows_whether_a_token_is_needed(
    data_dir: Path, tmp_path: Path, auth: str, said: str
) -> None:
    tokens, key = tmp_path / "tokens", tmp_path / "key.pub"
    tokens.write_text(token_line(new_token(), "alice"))
    key.write_text(public_pem())
    settings: dict[str, dict[str, Any]] = {
        "none": {},
        "tokens": {"auth_tokens": tokens},
        "jwt": {"jwt_key": key, "jwt_audience": AUDIENCE},
        # It may go by cookies, which a browser sends by itself: the page asks when it is refused.
        "forward": {"auth_url": "http://127.0.0.1:9/"},
    }
    async with run_server(data_dir, auth=auth, **settings[auth]) as server:
        assert f'data-token="{said}"' in (await server.get("/")).text


def leave_out(static: Path) -> None:
    shutil.rmtree(static)


def forget_the_script(static: Path) -> None:
    (static / SCRIPT).unlink()


def garble(static: Path) -> None:
    (static / "manifest.json").write_text("{")


def empty(static: Path) -> None:
    (static / "manifest.json").write_text("[]")


@pytest.mark.parametrize("spoil", [leave_out, forget_the_script, garble, empty])
async def test_without_uppy_the_rest_is_there(data_dir: Path, static: Path, spoil: Break) -> None:
    spoil(static)
    async with run_server(data_dir) as server:
        index = await server.get("/")
        assert 'data-bundle="missing"' in index.text
        assert "<code>scripts/page</code>" in index.text
        assert 'src="page/plain.js"' in index.text
        assert 'href="page/page.css"' in index.text

        found: set[str] = set()
        wanted = {"page.css", "plain.js"}
        while wanted - found:
            name = min(wanted - found)
            found.add(name)
            answer = await server.get(f"/page/{name}")
            assert answer.status == 200, name
            assert answer.headers["Cache-Control"] == "no-cache"
            wanted |= set(re.findall(r"from '\./(.+)'", answer.text))
        assert found == set(page.PLAIN)


async def test_a_tus_client_sees_no_difference(server: TusServer) -> None:
    answer = await server.request("OPTIONS", "/files/", TUS)
    assert answer.status == 204
    assert "Content-Security-Policy" not in answer.headers
