"""Finished uploads are found where they are published, once, whole, and by no hostile name."""

import asyncio
import base64
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness import OCTETS, PATIENCE, TUS, TusServer, run_server
from tusd_py.errors import DataDirectoryError

Start = Callable[..., Any]
ABC = b"abc"


@pytest.fixture
def directory(data_dir: Path) -> Path:
    """Where uploads are published: beside the data directory."""
    return data_dir.parent / "published"


@pytest.fixture
async def start(data_dir: Path, directory: Path) -> AsyncIterator[Start]:
    """Start a server that publishes."""
    async with AsyncExitStack() as stack:

        async def start(publish: str = "link", **settings: Any) -> TusServer:
            running = run_server(data_dir, publish=publish, publish_directory=directory, **settings)
            return await stack.enter_async_context(running)

        yield start


def named(filename: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(filename.encode()).decode()}"}


def published(directory: Path) -> dict[str, bytes]:
    """Return every file by its path, those that are only for a while among them."""
    files = (each for each in directory.rglob("*") if not each.is_dir())
    return {str(each.relative_to(directory)): each.read_bytes() for each in sorted(files)}


def the_one(directory: Path) -> Path:
    (path,) = published(directory)
    return directory / path


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def data_of(server: TusServer, path: str) -> Path:
    return server.data_dir / "uploads" / id_of(path)[:2] / id_of(path)


async def test_link_gives_the_bytes_a_second_name(start: Start, directory: Path) -> None:
    server = await start()
    path = await server.finished(ABC, named("a.txt"))
    (name,) = published(directory)
    assert name.endswith(f"/{id_of(path)}-a.txt")
    assert (directory / name).samefile(data_of(server, path)), "it was copied"
    assert (await server.get(path)).body == ABC
    answer = await server.head(path)
    assert (answer.status, answer.offset) == (200, 3)


async def test_moved_upload_is_finished_and_read_there_alone(start: Start, directory: Path) -> None:
    server = await start("move", publish_path="{filename}")
    path = await server.finished(ABC, named("a.txt"))
    assert published(directory) == {"a.txt": ABC}
    assert server.stored() == {}
    answer = await server.head(path)
    assert (answer.status, answer.offset, answer.headers["Upload-Length"]) == (200, 3, "3")
    answer = await server.get(path)
    assert (answer.status, json.loads(answer.body)["code"]) == (410, "upload_moved")
    assert (await server.patch(path, 3, b"")).status == 204
    assert (await server.patch(path, 0, ABC)).status == 409
    assert (await server.delete(path)).status == 204
    assert (await server.head(path)).status == 404
    assert published(directory) == {"a.txt": ABC}, "it is somebody else's now"


async def test_what_was_published_outlives_the_upload(start: Start, directory: Path) -> None:
    server = await start(publish_path="{filename}")
    path = await server.finished(ABC, named("a.txt"))
    assert (await server.delete(path)).status == 204
    assert server.stored() == {}
    assert published(directory) == {"a.txt": ABC}


async def test_nothing_is_published_of_what_is_not_finished(start: Start, directory: Path) -> None:
    server = await start()
    path = await server.create(6)
    await server.patch(path, 0, ABC)
    assert published(directory) == {}
    assert (await server.delete(path)).status == 204
    assert published(directory) == {}


async def test_files_of_one_name_stand_side_by_side(start: Start, directory: Path) -> None:
    server = await start(publish_path="{filename}")
    (directory / "a.txt").write_bytes(b"somebody else's")
    (directory / "a-2.txt").symlink_to("/nowhere")
    await asyncio.gather(*(server.finished(b"%d" % n, named("a.txt")) for n in range(4)))
    (directory / "a-2.txt").unlink()
    found = published(directory)
    assert found.pop("a.txt") == b"somebody else's"
    assert found.keys() == {"a-1.txt", "a-3.txt", "a-4.txt", "a-5.txt"}
    assert set(found.values()) == {b"0", b"1", b"2", b"3"}


async def test_after_a_hundred_of_one_name_the_id_makes_another(
    start: Start, directory: Path
) -> None:
    server = await start(publish_path="a")
    for name in ("a", *(f"a-{number}" for number in range(1, 100))):
        (directory / name).touch()
    path = await server.finished(ABC)
    assert (directory / f"a-{id_of(path)}").read_bytes() == ABC


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../../etc/passwd", "_._.._.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "unnamed"),
        (".tusd-py", "_tusd-py"),
        ("a\0b\nc\u202ed", "a_b_c_d"),
        ("x" * 300, "x" * 200),
        ("a.info", "a.info_"),
    ],
)
async def test_hostile_name_is_a_plain_one(
    start: Start, directory: Path, filename: str, name: str
) -> None:
    server = await start(publish_path="{owner}/{filename}")
    await server.finished(ABC, named(filename))
    assert published(directory) == {name: ABC}


async def test_empty_upload_is_published_with_its_creation(start: Start, directory: Path) -> None:
    server = await start(publish_path="{filename}")
    await server.create(0, named("empty"))
    await server.create(3, {**named("at once"), **OCTETS}, ABC)
    assert published(directory) == {"at once": ABC, "empty": b""}


async def test_final_upload_is_published_and_its_parts_are_not(
    start: Start, directory: Path
) -> None:
    server = await start("move", publish_path="{filename}")
    parts = [
        await server.finished(each, {"Upload-Concat": "partial", **named("part")})
        for each in (b"first ", b"second")
    ]
    assert published(directory) == {}
    final = f"final;{' '.join(parts)}"
    path = await server.create(headers={"Upload-Concat": final, **named("whole")})
    async with asyncio.timeout(PATIENCE):
        while published(directory) != {"whole": b"first second"}:
            await asyncio.sleep(0.01)
        while (await server.get(path)).status != 410:
            await asyncio.sleep(0.01)
    assert len(server.stored()) == 2, "the parts stay until they expire"


async def test_expiry_leaves_published_files_alone(data_dir: Path, directory: Path) -> None:
    now = 1_000_000.0
    settings: dict[str, Any] = {"publish": "link", "publish_directory": directory}
    settings |= {"publish_path": "{filename}", "expire_after": 10, "sweep_interval": 0.05}
    async with run_server(data_dir, clock=lambda: now, **settings) as server:
        path = await server.finished(ABC, named("a"))
        unfinished = await server.create(3)
        now += 100
        async with asyncio.timeout(PATIENCE):
            while (await server.head(unfinished)).status != 410 or len(server.stored()) > 1:
                await asyncio.sleep(0.01)
        assert published(directory) == {"a": ABC}
        assert (await server.get(path)).body == ABC


@pytest.mark.parametrize("publish", ["link", "move"])
async def test_sidecar_says_what_is_known(start: Start, directory: Path, publish: str) -> None:
    server = await start(publish, publish_path="{filename}", publish_sidecar=True)
    path = await server.finished(ABC, named("ü.txt"))
    found = published(directory)
    assert found.keys() == {"ü.txt", "ü.txt.info"}
    document = json.loads(found["ü.txt.info"])
    assert document.pop("Created").endswith("Z")
    assert document == {
        "ID": id_of(path),
        "Size": 3,
        "SizeIsDeferred": False,
        "Offset": 3,
        "MetaData": {"filename": "ü.txt"},
        "IsPartial": False,
        "IsFinal": False,
        "PartialUploads": None,
        "Owner": "",
    }


async def test_nobody_can_pass_a_file_off_as_a_sidecar(start: Start, directory: Path) -> None:
    server = await start(publish_path="{filename}", publish_sidecar=True)
    await server.finished(b"{}", named("a.txt.INFO"))
    (directory / "b.txt.info").write_bytes(b"somebody else's")
    await server.finished(ABC, named("b.txt"))
    found = published(directory)
    assert found.keys() == {
        *("a.txt.INFO_", "a.txt.INFO_.info"),
        *("b.txt.info", "b-1.txt", "b-1.txt.info"),
    }
    assert found["b.txt.info"] == b"somebody else's"


@pytest.mark.parametrize(
    ("mode", "directories"), [("0600", 0o700), ("0640", 0o750), ("0664", 0o775)]
)
async def test_modes_let_read_whom_they_name(
    start: Start, directory: Path, mode: str, directories: int
) -> None:
    server = await start("move", publish_mode=mode, publish_sidecar=True)
    old = os.umask(0o077)
    try:
        await server.finished(ABC)
    finally:
        os.umask(old)
    for name in published(directory):
        assert stat.S_IMODE((directory / name).stat().st_mode) == int(mode, 8)
        assert stat.S_IMODE((directory / name).parent.stat().st_mode) == directories


async def test_symbolic_link_leads_nobody_out(
    start: Start, directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start(publish_path="in/{filename}", sweep_interval=0.1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (directory / "in").symlink_to(outside)
    path = await server.finished(ABC, named("a"))
    assert list(outside.iterdir()) == []
    assert (await server.head(path)).offset == 3
    answer = await server.get(path)
    assert (answer.status, json.loads(answer.body)["code"]) == (409, "upload_unchecked")
    assert "symbolic links are not followed" in reasons(caplog)
    (directory / "in").unlink()
    await until_published(directory, {"in/a": ABC})


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(getattr(record, "reason", "")) for record in caplog.records)


async def until_published(directory: Path, files: dict[str, bytes]) -> None:
    async with asyncio.timeout(PATIENCE):
        while published(directory) != files:
            await asyncio.sleep(0.02)


async def test_upload_that_cannot_be_published_yet_can_be_terminated(
    start: Start, directory: Path
) -> None:
    server = await start(publish_path="in/{filename}", sweep_interval=0.1)
    (directory / "in").write_bytes(b"in the way")
    path = await server.finished(ABC, named("a"))
    assert (await server.delete(path)).status == 204
    assert server.stored() == {}
    (directory / "in").unlink()
    await server.finished(b"next", named("b"))
    await until_published(directory, {"in/b": b"next"})


async def test_directory_that_vanishes_is_not_made_again(
    start: Start, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the mount point of a volume that is gone, and no place to write to."""
    server = await start("move", publish_path="{filename}", sweep_interval=0.1)
    gone = directory.with_name("gone")
    os.rename(directory, gone)  # noqa: PTH104 - a moment's work
    path = await server.finished(ABC, named("a"))
    assert published(directory) == {}
    assert "mount the volume" in reasons(caplog)
    assert (await server.head(path)).offset == 3
    os.rename(gone, directory)  # noqa: PTH104
    await until_published(directory, {"a": ABC})
    async with asyncio.timeout(PATIENCE):
        while (await server.get(path)).status != 410:
            await asyncio.sleep(0.02)


async def test_settings_may_change_between_two_starts(data_dir: Path, directory: Path) -> None:
    there: dict[str, Any] = {"publish_directory": directory, "publish_path": "{filename}"}
    async with run_server(data_dir, publish="move", **there) as server:
        moved = await server.finished(ABC, named("moved"))
    async with run_server(data_dir) as server:
        assert (await server.get(moved)).status == 410
        stays = await server.finished(ABC, named("stays"))
    async with run_server(data_dir, publish="link", **there) as server:
        assert (await server.get(stays)).body == ABC
        await server.assert_still_works()
    assert "moved" in published(directory)
    assert "stays" not in published(directory)


@pytest.mark.parametrize("place", [".", "uploads", "uploads/in", ".."])
async def test_directories_may_not_be_in_each_other(data_dir: Path, place: str) -> None:
    with pytest.raises(DataDirectoryError, match="beside each other"):
        async with run_server(data_dir, publish="link", publish_directory=data_dir / place):
            pass


async def test_start_says_how_it_will_be(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await start()
    assert "the same file system, so nothing is copied" in caplog.text


async def test_tus_headers_are_those_of_any_upload(start: Start) -> None:
    server = await start("move")
    path = await server.create(3, TUS)
    answer = await server.patch(path, 0, ABC)
    assert (answer.status, answer.offset) == (204, 3)
