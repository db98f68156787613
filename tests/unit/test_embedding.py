"""The examples of docs/embedding.md and README.md work as they stand there."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import TusServer, run_server
from tusd_py import Settings, add_tus_routes, close_after_chunked

ROOT = Path(__file__).parents[2]
ALICE = {"Authorization": "Bearer let me in"}


def example(document: str, *, first: int, last: int) -> dict[str, Any]:
    """Run the Python blocks of a document and return the names they define."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks[first:last]:
        exec(compile(block, document, "exec"), names)  # noqa: S102 - our own document
    return names


@pytest.fixture(params=[True, False], ids=["our runner", "aiohttp's runner"])
async def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TusServer]:
    app = example("docs/embedding.md", first=0, last=1)["make_app"](tmp_path / "mounted")
    async with run_server(tmp_path / "unused", ours=request.param, app=app) as running:
        running.prefix = "/uploads/"
        yield running


async def test_uploads_are_mounted_beside_other_routes(embedded: TusServer) -> None:
    assert (await embedded.get("/")).text == "hello"
    path = await embedded.create(5, ALICE)
    assert path.startswith("/uploads/")
    assert (await embedded.patch(path, 0, b"hello", ALICE)).offset == 5
    assert (await embedded.get(path, ALICE)).body == b"hello"


async def test_a_stranger_is_refused_in_the_applications_words(embedded: TusServer) -> None:
    answer = await embedded.request("POST", embedded.prefix, {"Upload-Length": "5"})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert "X-Request-ID" in answer.headers
    assert not list((embedded.data_dir.parent / "mounted" / "uploads").rglob("?" * 32))


async def test_the_second_example_starts_the_first_on_our_connections() -> None:
    names = example("docs/embedding.md", first=0, last=2)
    assert callable(names["main"])
    assert names["make_runner"].__module__ == "tusd_py.web.runner"


async def test_trailers_are_announced_only_where_they_are_kept(
    embedded: TusServer, request: pytest.FixtureRequest
) -> None:
    extensions = (await embedded.options()).headers["Tus-Extension"].split(",")
    ours = "our runner" in request.node.name and "aiohttp" not in request.node.name
    assert ("checksum-trailer" in extensions) == ours


async def test_readme_example_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[web.Application] = []
    monkeypatch.setattr(web, "run_app", started.append)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(blocks[-1], "README.md", "exec"), {})  # noqa: S102 - our own document
    async with run_server(tmp_path / "unused", app=started[0]) as running:
        running.prefix = "/uploads/"
        assert (await running.get(await running.finished(b"hello"))).body == b"hello"


async def test_mounted_in_a_sub_application(tmp_path: Path) -> None:
    inner, outer = web.Application(), web.Application()
    add_tus_routes(inner, prefix="/files/", settings=Settings(data_dir=tmp_path / "inner"))
    outer.add_subapp("/api/", inner)
    async with run_server(tmp_path / "unused", app=outer) as running:
        running.prefix = "/api/files/"
        path = await running.finished(b"hello")
        assert path.startswith("/api/files/")
        assert (await running.get(path)).body == b"hello"


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_foreign_server_has_to_guard_the_outermost_application(
    tmp_path: Path, guarded: bool
) -> None:
    inner, outer = web.Application(), web.Application()
    add_tus_routes(inner, prefix="/files/", settings=Settings(data_dir=tmp_path / "inner"))
    if guarded:
        outer.on_response_prepare.append(close_after_chunked)
    outer.add_subapp("/api/", inner)
    async with run_server(tmp_path / "unused", ours=False, app=outer) as running:
        answer = await running.request("POST", "/api/files/", {"Upload-Length": "5"})
        assert answer.status == (201 if guarded else 500)
