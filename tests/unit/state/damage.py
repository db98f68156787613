"""A state file with uploads, and what can happen to its pages."""

import asyncio
import random
from pathlib import Path

from tests.contracts.examples import an_upload
from tusd_py.protocol.upload import Upload
from tusd_py.state.opening import open_sqlite

PAGE = 4096
#: The kinds of pages, by their first byte.
TABLE, TABLE_INNER, INDEX = 0x0D, 0x05, 0x0A
UPLOADS = [
    an_upload(number, offset=number % 100, owner=f"owner {number % 3}", metadata="name YWJj" * 9)
    for number in range(1, 2001)
]


async def make(path: Path, *uploads: Upload) -> None:
    store = await open_sqlite(path, strict=False)
    await asyncio.gather(*(store.create(upload) for upload in uploads))
    await store.close()


def pages(path: Path, kind: int) -> list[int]:
    """Return the numbers of the pages of that kind, but for those of the schema."""
    content = path.read_bytes()
    schema = {at for at in range(len(content) // PAGE) if b"CREATE " in _page(content, at)}
    return [
        at
        for at in range(1, len(content) // PAGE)
        if content[at * PAGE] == kind and at not in schema
    ]


def _page(content: bytes, at: int) -> bytes:
    return content[at * PAGE : (at + 1) * PAGE]


def names(directory: Path, pattern: str) -> list[str]:
    return [path.name for path in directory.glob(pattern)]


def garble(path: Path, *numbers: int, at: int = 0, size: int = PAGE) -> None:
    with path.open("r+b") as file:
        for number in numbers:
            file.seek(number * PAGE + at)
            file.write(random.Random(number).randbytes(size))
