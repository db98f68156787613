"""`tusd-py hooks`: what is waiting or dead is shown, tried anew, forgotten, told once more."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.contracts.examples import an_upload, upload_id
from tests.contracts.test_outbox import NOW, WHOLE, first_due, opened
from tusd_py.state.opening import open_sqlite
from tusd_py.state.sqlite import SqliteStore
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout

Run = Callable[..., Result]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a dead event, and one that waits for its second attempt."""
    directory = tmp_path / "data"
    prepare_directories(Layout(directory))

    async def fill() -> None:
        async with opened(directory, "http://127.0.0.1:9/hook") as state:
            await state.outbox.announce()
            await state.create(an_upload(1, **WHOLE))
            await bury(state)
            delivery = await first_due(state, "http://127.0.0.1:9/hook")
            await state.outbox.postpone(delivery, until=NOW, error="answered 500")

    asyncio.run(fill())
    return directory


async def bury(state: SqliteStore) -> None:
    delivery = await first_due(state, "http://127.0.0.1:9/hook")
    await state.outbox.bury(delivery, error="answered 404", now=NOW)


def listed(run: Run, data_dir: Path, *more: str) -> list[dict[str, Any]]:
    result = run("hooks", "ls", "--json", "--data-dir", data_dir, *more)
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)["deliveries"]
    return found


def test_ls_shows_what_waits_and_what_is_dead(run: Run, data_dir: Path) -> None:
    dead, pending = listed(run, data_dir)
    assert dead == {
        "id": "1",
        "event": "post-create",
        "upload_id": upload_id(1),
        "hook": "http://127.0.0.1:9/hook",
        "state": "dead",
        "created_at": "2023-11-14T22:13:20.000+00:00",
        "attempts": 1,
        "next_at": None,
        "last_error": "answered 404",
    }
    assert (pending["id"], pending["state"]) == ("2", "pending")
    assert pending["last_error"] == "answered 500"
    assert listed(run, data_dir, "--dead") == [dead]
    assert listed(run, data_dir, "--limit", "1") == [dead]


def test_ls_shows_people_a_table(run: Run, data_dir: Path) -> None:
    result = run("hooks", "ls", "--data-dir", data_dir)
    header, *rows = result.stdout.splitlines()
    assert header.split()[:3] == ["ID", "EVENT", "UPLOAD"]
    assert [row.split()[3] for row in rows] == ["dead", "pending"]
    assert "answered 404" in rows[0]


def test_nothing_to_show_is_said(run: Run, data_dir: Path) -> None:
    run("hooks", "drop", "1", "2", "--data-dir", data_dir)
    assert "nothing is waiting" in run("hooks", "ls", "--data-dir", data_dir).stderr
    assert listed(run, data_dir) == []


def test_retry_brings_dead_ones_back(run: Run, data_dir: Path) -> None:
    assert run("hooks", "retry", "--all-dead", "--data-dir", data_dir).stdout == (
        "retried 1 delivery\n"
    )
    assert [each["state"] for each in listed(run, data_dir)] == ["pending", "pending"]
    result = run("hooks", "retry", "1", "2", "--json", "--data-dir", data_dir)
    assert json.loads(result.stdout) == {"retried": 2}
    assert [each["attempts"] for each in listed(run, data_dir)] == [0, 0]


def test_drop_forgets_dead_ones_or_those_that_are_named(run: Run, data_dir: Path) -> None:
    run("hooks", "drop", "--all-dead", "--data-dir", data_dir)
    assert [each["id"] for each in listed(run, data_dir)] == ["2"]
    assert run("hooks", "drop", "2", "--data-dir", data_dir).exit_code == 0
    assert listed(run, data_dir) == []


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_unknown_events_and_no_choice_are_refused(run: Run, data_dir: Path, command: str) -> None:
    unknown = run("hooks", command, "7", "--data-dir", data_dir)
    assert unknown.exit_code == 1
    assert "hooks ls" in unknown.stderr
    for wrong in ([], ["--all-dead", "1"]):
        result = run("hooks", command, "--data-dir", data_dir, *wrong)
        assert result.exit_code == 1
        assert "--all-dead" in result.stderr
    assert len(listed(run, data_dir)) == 2


def test_replay_writes_a_new_event(run: Run, data_dir: Path) -> None:
    result = run("hooks", "replay", upload_id(1), "--json", "--data-dir", data_dir)
    event_id = json.loads(result.stdout)["id"]
    last = listed(run, data_dir)[-1]
    assert (last["id"], last["event"], last["state"]) == (event_id, "post-finish", "pending")


def test_replay_without_hooks_or_upload_says_what_to_do(run: Run, data_dir: Path) -> None:
    unknown = run("hooks", "replay", upload_id(2), "--data-dir", data_dir)
    assert unknown.exit_code == 1
    assert "tusd-py ls" in unknown.stderr

    async def forget() -> None:
        store = await open_sqlite(data_dir / "state.sqlite3", strict=False)
        await store.outbox.announce()
        await store.close()

    asyncio.run(forget())
    without = run("hooks", "replay", upload_id(1), "--data-dir", data_dir)
    assert without.exit_code == 1
    assert "hooks_urls" in without.stderr


def test_what_the_operator_removes_is_told_to_whom_the_server_tells(
    run: Run, data_dir: Path
) -> None:
    assert run("rm", upload_id(1), "--yes", "--data-dir", data_dir).exit_code == 0
    last = listed(run, data_dir)[-1]
    assert (last["event"], last["hook"]) == ("post-terminate", "http://127.0.0.1:9/hook")


def test_directory_that_is_none_of_ours_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("hooks", "ls", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "holds no uploads" in result.stderr
