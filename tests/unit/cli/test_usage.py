"""Who has how much is shown, the largest first."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.contracts.examples import THEN, an_upload
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.opening import open_sqlite

Run = Callable[..., Result]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes uploads in the data directory that commands act on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "locks").mkdir(parents=True)
    (tmp_path / "data" / "uploads").mkdir()

    async def fill(uploads: tuple[Upload, ...]) -> None:
        store = await open_sqlite(tmp_path / "data" / "state.sqlite3", strict=False)
        for upload in uploads:
            await store.create(upload)
        await store.close()

    return lambda *uploads: asyncio.run(fill(uploads))


def test_owners_are_listed_who_stores_most_first(run: Run, make: Callable[..., None]) -> None:
    whole = {"offset": 3000, "length": 3000, "state": UploadState.FINISHED, "finished_at": THEN}
    make(
        an_upload(1, owner="ann", address="192.0.2.1"),
        an_upload(2, owner="ann", length=None),
        an_upload(3, owner="b\x1b", **whole),
        an_upload(4, length=1),
    )
    assert [line.split() for line in run("usage").stdout.splitlines()] == [
        ["OWNER", "OPEN", "STORED"],
        [r"b\x1b", "0", "2.9", "KiB"],
        ["ann", "2", "100", "B"],
        ["-", "1", "1", "B"],
    ]
    by_address = json.loads(run("usage", "--by", "address", "--json").stdout)
    assert by_address == {"usage": [{"address": "192.0.2.1", "open_uploads": 1, "stored": 100}]}


def test_nobody_is_said(run: Run, make: Callable[..., None]) -> None:
    make()
    result = run("usage")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "tusd-py: nobody has anything\n"
    assert json.loads(run("usage", "--json").stdout) == {"usage": []}
