"""Kill -9 at any step of publishing leaves, after a restart, one file, whole, told of once."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients.running_server import CHECKOUT
from tests.faults.crashing_publisher import CONTENT, MANNERS, refuse_links, settings_for
from tests.faults.program import Program
from tests.faults.test_hooks import Client, states_of
from tests.receiver import run_receiver
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.upload import Upload
from tusd_py.repair import verify
from tusd_py.storage.open_directory import OpenDirectory
from tusd_py.storage.publish_directory import STAGING
from tusd_py.uploads.service import UploadService

pytestmark = pytest.mark.slow


def test_killed_server_publishes_each_upload_once(tmp_path: Path) -> None:
    """Two workers under load, killed again and again."""
    moments = random.Random(5)
    flags = ["--publish", "move", "--publish-directory", str(tmp_path / "published")]
    flags += ["--publish-path", "{id}", "--publish-sidecar", "--workers", "2"]
    with run_receiver() as receiver:
        server = Program(tmp_path, *flags, "--hooks-urls", receiver.url)
        finished = set[str]()
        for _ in range(3):
            server.start()
            clients = [Client(server.endpoint, number) for number in (0, 1)]
            time.sleep(moments.uniform(0.2, 0.6))
            server.kill()
            for client in clients:
                client.join()
                finished |= client.finished
        server.start()
        until(lambda: not {"checking"} & set(states_of(server).values()), "some were not published")
        until(
            lambda: not list((tmp_path / "published" / STAGING).iterdir()), "some are not settled"
        )
        states = states_of(server)
        moved = {upload_id for upload_id, state in states.items() if state == "moved"}
        assert moved >= finished
        receiver.until(
            lambda: {each.upload_id for each in receiver.arrived("post-finish")} == moved
        )
        server.stop()
    keys = {(each.upload_id, each.key) for each in receiver.arrived("post-finish")}
    assert len(keys) == len(moved) > 20
    files = published(tmp_path)
    assert files.keys() == moved | {f"{upload_id}.info" for upload_id in moved}
    assert all(files[upload_id] == b"abc" for upload_id in moved)
    paths = {
        each.document["Event"]["Upload"]["Storage"]["Path"]
        for each in receiver.arrived("post-finish")
    }
    assert paths == {str(tmp_path / "published" / upload_id) for upload_id in moved}


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def crash(directory: Path, manner: str) -> list[Path]:
    """Let the upload be published until each step; return the directories left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crashing_publisher", str(directory), manner],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(directory.iterdir(), key=lambda path: int(path.name))


@pytest.fixture(params=MANNERS)
def manner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(OpenDirectory, "link", OpenDirectory.link)  # put back what is refused
    refuse_links(request.param)
    name: str = request.param
    return name


def published(directory: Path) -> dict[str, bytes]:
    files = (each for each in (directory / "published").rglob("*") if each.is_file())
    return {str(each.relative_to(directory / "published")): each.read_bytes() for each in files}


def stored(directory: Path) -> list[bytes]:
    return [each.read_bytes() for each in (directory / "data" / "uploads").glob("??/*")]


def told(directory: Path) -> int:
    """Return how many events there are to be told."""
    with closing(sqlite3.connect(directory / "data" / "state.sqlite3")) as db:
        return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])


def test_kill_at_any_step_leaves_one_file_and_one_event(tmp_path: Path, manner: str) -> None:
    directories = crash(tmp_path, manner)
    assert len(directories) > 12, "it did not come far"
    for number, directory in enumerate(directories):
        settings = settings_for(directory, manner)
        # A client waits for it, or does not want it any more.
        if number % 2 or manner == "linked and moved":
            asyncio.run(check_that_it_goes_on(directory, settings))
        else:
            asyncio.run(check_that_it_can_go(directory, settings))


async def check_that_it_goes_on(directory: Path, settings: Settings) -> None:
    upload = await the_upload(settings)
    async with open_service(settings, exclusive=True) as service:
        if upload.is_complete:
            await until_finished(service, upload.id)
        await until_settled(directory)
    if not upload.is_complete:  # its last byte was not committed
        assert published(directory) == {}, directory
        return
    found = published(directory)
    assert found.pop("in/a.txt") == CONTENT, directory
    assert found.keys() == {"in/a.txt.info"}, directory
    assert len(stored(directory)) == (settings.publish == "link"), directory
    assert told(directory) == 1
    report = await verify(settings, repairs=False, on_progress=lambda _: None)
    assert report.findings == [], directory


async def check_that_it_can_go(directory: Path, settings: Settings) -> None:
    """Remove it before anybody went on."""
    upload = await the_upload(settings)
    async with open_service(settings, exclusive=False) as service:
        await service.remove(upload.id)
    async with open_service(settings, exclusive=True):
        if upload.is_finished:
            # It is gone, but its publication cannot be told from another server's for a day.
            return
    assert stored(directory) == []
    assert published(directory) == {}, directory
    assert told(directory) == 0


async def the_upload(settings: Settings) -> Upload:
    async with open_service(settings, exclusive=False) as service:
        (upload,) = await service.list_uploads()
        return upload


async def until_finished(service: UploadService, upload_id: str) -> None:
    async with asyncio.timeout(10):
        while not (await service.show(upload_id)).is_finished:
            await asyncio.sleep(0.002)


async def until_settled(directory: Path) -> None:
    async with asyncio.timeout(10):
        while any(name.startswith(STAGING) for name in published(directory)):
            await asyncio.sleep(0.002)
