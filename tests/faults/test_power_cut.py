"""Wherever the power goes out: what was promised is there, and state and data agree."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.running_server import CHECKOUT
from tests.faults.crashing_service import CONTENTS, OWNER
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.upload import Upload
from tusd_py.repair import verify
from tusd_py.uploads.service import UploadService

#: Each run of this file's tests takes every so-manieth step, so that they can share the work.
SHARES = 4
FINAL = CONTENTS["first part"] + CONTENTS["second part"]


@dataclass
class Promises:
    """What clients were told before the power went out, by the upload's name."""

    ids: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    removal: str = "not asked for"

    def add(self, told: dict[str, Any]) -> None:
        name = told["name"]
        if "id" in told:
            self.ids[name], self.offsets[name] = told["id"], told["offset"]
        elif "going" in told:
            self.removal = "under way"
        else:
            self.removal = "done"


def crash(directory: Path, share: int) -> list[Path]:
    """Let the clients run until each step of this share; return the directories left behind."""
    program = [sys.executable, "-m", "tests.faults.crashing_service"]
    done = subprocess.run(
        [*program, str(directory), str(share), str(SHARES)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(directory.glob("*[0-9]"), key=lambda path: int(path.name))


def promises_of(directory: Path) -> Promises:
    promises = Promises()
    for line in directory.with_suffix(".promises").read_text().splitlines():
        promises.add(json.loads(line))
    return promises


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_power_cut_at_any_step_breaks_no_promise(tmp_path: Path, share: int) -> None:
    directories = crash(tmp_path, share)
    for directory in directories:
        asyncio.run(check(directory, promises_of(directory)))
    assert int(directories[-1].name) > 40, "the clients did not come far"


async def check(directory: Path, promises: Promises) -> None:
    """Start the server again, look for every promise, and let the clients go on."""
    settings = Settings(data_dir=directory, disk_reserve=0)
    async with open_service(settings, exclusive=True) as service:
        agree(directory, await service.list_uploads())
        report = await verify(settings, repairs=False, on_progress=lambda _: None)
        found = {finding.code for finding in report.findings}
        assert found <= {"data_without_upload"}, f"step {directory.name}: {report.findings}"
        for name, upload_id in promises.ids.items():
            if name == "final":
                continue
            if name == "removed" and promises.removal != "not asked for":
                continue
            await finish(service, name, upload_id, promises.offsets[name])
            assert content_of(directory, upload_id) == CONTENTS[name]
        if "final" in promises.ids:
            await joined(service, promises.ids["final"])
            assert content_of(directory, promises.ids["final"]) == FINAL
        if promises.removal == "done":
            known = {upload.id for upload in await service.list_uploads()}
            assert promises.ids["removed"] not in known
        await service.sweep(dry_run=False)


def agree(directory: Path, uploads: list[Upload]) -> None:
    """Make sure that every row has its file, and every file its row or no promise left."""
    files = {path.name: path.stat().st_size for path in (directory / "uploads").glob("??/*")}
    rows = {upload.id: upload.offset for upload in uploads}
    assert rows.keys() <= files.keys()
    assert all(offset <= files[upload_id] for upload_id, offset in rows.items())
    # A file that outlives its row is that of an upload which was being removed.
    assert len(files.keys() - rows.keys()) <= 1


def content_of(directory: Path, upload_id: str) -> bytes:
    return (directory / "uploads" / upload_id[:2] / upload_id).read_bytes()


async def finish(service: UploadService, name: str, upload_id: str, promised: int) -> None:
    """Resume as a client does, where the server says."""
    upload = await service.inspect(upload_id, OWNER)
    assert upload.offset >= promised
    rest = CONTENTS[name][upload.offset :]
    request = Append(upload_id, upload.offset, Payload(len(rest)))
    assert (await service.append(request, OWNER, ScriptedBody(rest))).is_finished


async def joined(service: UploadService, upload_id: str) -> None:
    async with asyncio.timeout(5):
        while not (await service.show(upload_id)).is_finished:
            await asyncio.sleep(0.001)
