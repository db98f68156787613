"""A data directory with uploads, what can happen to it, and what repairs it."""

import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload
from tusd_py.repair import Report, verify
from tusd_py.storage.layout import Layout
from tusd_py.uploads.service import UploadService

PAGE = 4096
#: Bytes at the end of unfinished data that a rebuild does not count.
MARGIN = 1000
CONTENT = random.Random(12).randbytes(5000)
OWNERS = ("ann", "ben")


def settings_of(layout: Layout, **more: Any) -> Settings:
    return Settings(data_dir=layout.root, disk_reserve=0, checkpoint_bytes=MARGIN, **more)


@asynccontextmanager
async def server(layout: Layout, **more: Any) -> AsyncIterator[UploadService]:
    async with open_service(settings_of(layout, **more), exclusive=True) as service:
        yield service


async def create(
    service: UploadService,
    length: int | None,
    sent: int = 0,
    *,
    owner: str = "ann",
    concat: str | None = None,
) -> Upload:
    """Create an upload, and send its first bytes."""
    parsed = None if concat is None else parse_concat(concat)
    asked = Create(length, "name YWJj", concat=parsed)
    upload = await service.create(asked, owner, ScriptedBody())
    return await append(service, upload, sent) if sent else upload


async def append(service: UploadService, upload: Upload, to: int, **more: Any) -> Upload:
    body = ScriptedBody(CONTENT[upload.offset : to])
    request = Append(upload.id, upload.offset, Payload(to - upload.offset), **more)
    return await service.append(request, upload.owner, body)


async def fill(
    layout: Layout, count: int = 60, *, owners: Sequence[str] = OWNERS
) -> dict[str, Upload]:
    """Make uploads of these owners, a third of them finished; return them as they stand."""
    async with server(layout) as service:
        for number in range(count):
            owner = owners[number % len(owners)]
            length = 3000
            await create(service, length, (0, 1500, 3000)[number % 3], owner=owner)
        return {upload.id: upload for upload in await service.list_uploads()}


async def look(layout: Layout) -> Report:
    return await verify(settings_of(layout), repairs=False, on_progress=lambda _: None)


async def mend(layout: Layout) -> Report:
    return await verify(settings_of(layout), repairs=True, on_progress=lambda _: None)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def remove_state(layout: Layout) -> None:
    for file in layout.root.glob("state.sqlite3*"):
        file.unlink()


def garble(layout: Layout, *, share: int = 2) -> bytes:
    """Garble every so-manieth page of rows; return the file as it is then."""
    content = bytearray(layout.state_file.read_bytes())
    leaves = [
        at
        for at in range(PAGE, len(content), PAGE)
        if content[at] == 0x0D and b"CREATE " not in content[at : at + PAGE]
    ]
    for at in leaves[::share]:
        content[at : at + PAGE] = random.Random(at).randbytes(PAGE)
    layout.state_file.write_bytes(content)
    return bytes(content)


def contents(layout: Layout) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in layout.uploads.glob("??/*")}


def garble_index(layout: Layout) -> None:
    """Garble a page that no commit of a test touches."""
    with closing(sqlite3.connect(f"file:{layout.state_file}?immutable=1", uri=True)) as db:
        found = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'part_upload_id'")
        (page,) = found.fetchone()
    with layout.state_file.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)
