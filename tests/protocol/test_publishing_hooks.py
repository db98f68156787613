"""Hooks say where uploads are published, with tusd's field, and are told where that is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness import PATIENCE, TusServer, run_server
from tests.protocol.test_asking_hooks import ASKED, Asked
from tests.protocol.test_publishing import ABC, data_of, named, published
from tests.services import run_service

Start = Callable[..., Any]


@pytest.fixture
async def hook() -> AsyncIterator[Asked]:
    async with run_service() as service:
        yield Asked(service)


@pytest.fixture
def directory(data_dir: Path) -> Path:
    return data_dir.parent / "published"


@pytest.fixture
async def start(data_dir: Path, directory: Path, hook: Asked) -> AsyncIterator[Start]:
    """Start a server that asks and tells the hook, and publishes."""
    async with AsyncExitStack() as stack:

        async def start(publish: str = "link", **settings: Any) -> TusServer:
            chosen = {"hooks_urls": (hook.service.url,), "hooks_events": ASKED, **settings}
            chosen |= {"publish": publish, "publish_directory": directory}
            return await stack.enter_async_context(run_server(data_dir, **chosen))

        yield start


def wants(path: str) -> dict[str, Any]:
    """Return the answer of a hook, as tusd's documentation has it."""
    return {"ChangeFileInfo": {"Storage": {"Path": path}}}


async def told_path(hook: Asked, kind: str) -> str:
    await hook.until(kind)
    (event,) = (event for event in hook.events if event["Type"] == kind)
    assert event["Event"]["Upload"]["Storage"]["Type"] == "filestore"
    path: str = event["Event"]["Upload"]["Storage"]["Path"]
    return path


@pytest.mark.parametrize("publish", ["link", "move"])
async def test_hook_says_where_and_is_told_where(
    start: Start, hook: Asked, directory: Path, publish: str
) -> None:
    hook.says["pre-create"] = wants("./projects/7/final report.pdf")
    server = await start(publish)
    path = await server.finished(ABC)
    found = "projects/7/final report.pdf"
    assert published(directory) == {found: ABC}
    assert await told_path(hook, "post-finish") == str(directory / found)
    # Before it is finished, the bytes are with the server.
    assert await told_path(hook, "pre-finish") == str(data_of(server, path))
    assert await told_path(hook, "post-create") == str(data_of(server, path))


async def test_hook_is_told_what_the_template_made(
    start: Start, hook: Asked, directory: Path
) -> None:
    server = await start(publish_path="{filename}")
    (directory / "a.txt").write_bytes(b"somebody else's")
    await server.finished(ABC, named("a.txt"))
    assert await told_path(hook, "post-finish") == str(directory / "a-1.txt")


async def test_absolute_path_may_lead_into_the_directory(
    start: Start, hook: Asked, directory: Path
) -> None:
    hook.says["pre-create"] = wants(str(directory / "in" / "a.txt"))
    await (await start()).finished(ABC)
    assert published(directory) == {"in/a.txt": ABC}


@pytest.mark.parametrize("path", ["../a", "/etc/cron.d/a", "in/../../a"])
async def test_path_that_leads_out_is_no_answer(
    start: Start, hook: Asked, directory: Path, path: str
) -> None:
    hook.says["pre-create"] = wants(path)
    server = await start()
    answer = await server.request("POST", server.prefix, {"Upload-Length": "3"})
    assert answer.status == 503
    assert server.stored() == {}
    assert published(directory) == {}


async def test_parts_are_not_published_where_a_hook_says_so(
    start: Start, hook: Asked, directory: Path
) -> None:
    hook.says["pre-create"] = wants("whole")
    server = await start()
    parts = [await server.finished(ABC, {"Upload-Concat": "partial"}) for _ in range(2)]
    assert published(directory) == {}
    await server.create(headers={"Upload-Concat": f"final;{' '.join(parts)}"})
    async with asyncio.timeout(PATIENCE):
        while hook.kinds().count("post-finish") < 3:
            await asyncio.sleep(0.01)
    assert published(directory) == {"whole": 2 * ABC}
