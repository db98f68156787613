"""A repair that is killed at any step has lost nothing, and the next one comes to the same end."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attributes import require_attributes
from tests.clients.running_server import CHECKOUT
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload
from tusd_py.repair import Report, verify
from tusd_py.storage.layout import Layout

PAGE = 4096
CONTENT = random.Random(2).randbytes(100)


async def fill(directory: Path, count: int) -> dict[str, Upload]:
    """Make uploads of two owners, half of them finished; return them as they stand."""
    settings = Settings(data_dir=directory, disk_reserve=0)
    async with open_service(settings, exclusive=True) as service:
        for number in range(count):
            owner, sent = f"owner {number % 2}", (50, 100)[number % 2]
            upload = await service.create(Create(100, "name YWJj"), owner, ScriptedBody())
            request = Append(upload.id, 0, Payload(sent))
            await service.append(request, owner, ScriptedBody(CONTENT[:sent]))
        return {upload.id: upload for upload in await service.list_uploads()}


def garble(layout: Layout) -> bytes:
    """Garble every other page of rows, and what a mode and a start that was cut short can be."""
    content = bytearray(layout.state_file.read_bytes())
    for at in [at for at in range(PAGE, len(content), PAGE) if content[at] == 0x0D][::2]:
        content[at : at + PAGE] = random.Random(at).randbytes(PAGE)
    layout.state_file.write_bytes(content)
    probe = layout.uploads / ".probe-0"
    probe.touch()
    os.utime(probe, (0, 0))
    next(iter(layout.uploads.glob("??/*"))).chmod(0o644)
    return bytes(content)


def crash(damaged: Path, directory: Path) -> list[Path]:
    """Let the repair die at each of its steps; return the directories left behind."""
    program = [sys.executable, "-m", "tests.faults.crashing_repair"]
    done = subprocess.run(
        [*program, str(damaged), str(directory)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(directory.iterdir(), key=lambda path: int(path.name))


def repaired(directory: Path) -> Report:
    settings = Settings(data_dir=directory, checkpoint_bytes=1)
    return asyncio.run(verify(settings, repairs=True, on_progress=lambda _: None))


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True], ids=["stopped", "killed"])
def test_repair_that_is_killed_is_begun_again(tmp_path: Path, log: bool) -> None:
    require_attributes(tmp_path)
    layout = Layout(tmp_path / "damaged")
    uploads = asyncio.run(fill(layout.root, 24))
    damaged = garble(layout)
    if log:
        layout.state_file.with_name("state.sqlite3-wal").write_bytes(b"of a server that was killed")
    data = {file.name: file.read_bytes() for file in layout.uploads.glob("??/*")}
    directories = crash(layout.root, tmp_path / "crashed")
    assert len(directories) > 20, "the repair has hardly any steps"
    for directory in directories:
        assert repaired(directory).is_clean, directory.name
        assert repaired(directory).findings == [], directory.name
        left = Layout(directory)
        assert {file.name: file.read_bytes() for file in left.uploads.glob("??/*")} == data
        kept = [file.read_bytes() for file in directory.glob("state.sqlite3.damaged-*Z")]
        assert damaged in kept, directory.name
        asyncio.run(compare(directory, uploads))


async def compare(directory: Path, uploads: dict[str, Upload]) -> None:
    settings = Settings(data_dir=directory, disk_reserve=0)
    async with open_service(settings, exclusive=True) as service:
        rebuilt = {upload.id: upload for upload in await service.list_uploads()}
    assert rebuilt.keys() == uploads.keys()
    for known in uploads.values():
        found = rebuilt[known.id]
        assert (found.owner, found.state) == (known.owner, known.state)
        assert known.offset - 1 <= found.offset <= known.offset
