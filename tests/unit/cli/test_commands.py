"""The commands that look after uploads: what they ask of the service, and what they say."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tusd_py.config.model import Settings
from tusd_py.errors import StateError, UploadNotFound
from tusd_py.protocol.metadata import format_metadata
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.layout import STATE_FILE
from tusd_py.uploads.expiration import SweepReport

Run = Callable[..., Result]

A, B, C = "a" * 32, "b" * 32, "c" * 32
NOON = 1_800_000_000.0


class FakeService:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.uploads = [
            Upload(
                id=A,
                owner="ada",
                length=2048,
                offset=1024,
                metadata=format_metadata({"filename": b"a\x1b[2J.bin", "raw": b"\xff\x00"}),
                created_at=NOON,
                touched_at=NOON,
                expires_at=NOON + 60,
            ),
            Upload(id=B, offset=10, state=UploadState.OPEN, concat="partial"),
            Upload(
                id=C,
                length=0,
                state=UploadState.FINISHED,
                concat=f"final;/files/{A} /files/{B}",
                parts=(A, B),
                finished_at=NOON,
            ),
        ]

    async def list_uploads(self, **wanted: Any) -> list[Upload]:
        self.calls.append(("list", wanted))
        return self.uploads[: wanted["limit"]]

    async def show(self, upload_id: str) -> Upload:
        for upload in self.uploads:
            if upload.id == upload_id:
                return upload
        raise UploadNotFound

    async def remove(self, upload_id: str) -> None:
        self.calls.append(("remove", upload_id))
        await self.show(upload_id)

    async def sweep(self, *, dry_run: bool) -> SweepReport:
        self.calls.append(("sweep", dry_run))
        return SweepReport(expired=3, tombstones=2, orphans=1, bytes_freed=5 * 2**20)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """The service that commands get, whose data directory is the current one's `data`."""
    service = FakeService()

    @asynccontextmanager
    async def open_service(settings: Settings, *, exclusive: bool) -> AsyncIterator[FakeService]:
        assert not exclusive
        service.settings = settings
        yield service

    monkeypatch.setattr("tusd_py.server.open_service", open_service)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / STATE_FILE).touch()
    return service


# --- ls ---


def test_uploads_are_listed(run: Run, service: FakeService) -> None:
    result = run("ls")
    assert result.exit_code == 0
    assert service.calls == [("list", {"state": None, "owner": None, "limit": 1000})]
    header, first, second, third = result.stdout.splitlines()
    assert header.split() == ["ID", "STATE", "SIZE", "DONE", "LAST", "BYTE", "NAME"]
    assert first.startswith(f"{A}  open      2.0 KiB  50%   2027-01-15 ")
    assert first.endswith(r"  a\x1b[2J.bin")
    assert second.startswith(f"{B}  open      unknown  10 B  ")
    assert third.startswith(f"{C}  finished  0 B      100%  ")
    assert result.stderr == ""


def test_list_is_narrowed(run: Run, service: FakeService) -> None:
    result = run("ls", "--state", "finished", "--owner", "ada", "--limit", "2")
    wanted = {"state": UploadState.FINISHED, "owner": "ada", "limit": 2}
    assert service.calls == [("list", wanted)]
    assert result.stderr == "tusd-py: stopped after 2; see more with --limit\n"
    assert run("ls", "--state", "done").exit_code == 2
    assert run("ls", "--limit", "0").exit_code == 2


def test_empty_list_is_said(run: Run, service: FakeService) -> None:
    service.uploads = []
    result = run("ls")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "tusd-py: no uploads found\n",
    )
    assert json.loads(run("ls", "--json").stdout) == {"uploads": []}


def test_list_as_json(run: Run, service: FakeService) -> None:
    uploads = json.loads(run("ls", "--json").stdout)["uploads"]
    assert [upload["id"] for upload in uploads] == [A, B, C]
    assert uploads[0] == {
        "id": A,
        "owner": "ada",
        "state": "open",
        "length": 2048,
        "offset": 1024,
        "metadata": {"filename": "a\x1b[2J.bin", "raw": {"hex": "ff00"}},
        "metadata_header": service.uploads[0].metadata,
        "concat_header": None,
        "parts": [],
        "created_at": "2027-01-15T08:00:00.000+00:00",
        "touched_at": "2027-01-15T08:00:00.000+00:00",
        "expires_at": "2027-01-15T08:01:00.000+00:00",
        "finished_at": None,
        "path": None,
        "rejection": None,
    }
    assert uploads[2]["parts"] == [A, B]


def test_reasons_of_rejections_are_listed(run: Run, service: FakeService) -> None:
    why = "A virus scanner found something."
    service.uploads[1] = replace(service.uploads[1], state=UploadState.REJECTED, rejection=why)
    header, first, second, _ = run("ls").stdout.splitlines()
    assert header.endswith("  REASON")
    assert first.endswith("  -")
    assert f"{B}  rejected  " in second
    assert second.endswith(f"  {why}")
    assert json.loads(run("ls", "--json").stdout)["uploads"][1]["rejection"] == why


def test_checking_is_listed(run: Run, service: FakeService) -> None:
    service.uploads[2] = replace(service.uploads[2], state=UploadState.CHECKING)
    assert f"{C}  checking  " in run("ls").stdout
    assert "checking" in run("show", C).stdout


# --- show ---


def test_upload_is_shown(run: Run, service: FakeService) -> None:
    result = run("show", A)
    assert result.exit_code == 0
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    facts = {key: value.strip() for key, value in rows.items()}
    assert facts["id"] == A
    assert facts["length"] == "2048 (2.0 KiB)"
    assert facts["kind"] == "single"
    assert facts["finished"] == "not yet"
    assert facts["metadata filename"] == r"a\x1b[2J.bin"
    assert facts["metadata raw"] == "ff00 (hex)"
    assert "not known yet" in run("show", B).stdout
    final = run("show", C).stdout
    assert all(text in final for text in ("final", f"{A}\n", f"{B}\n"))
    assert json.loads(run("show", C, "--json").stdout)["id"] == C


def test_place_of_a_published_upload_is_shown(run: Run, service: FakeService) -> None:
    service.uploads[0] = replace(service.uploads[0], state=UploadState.MOVED, path="in/a.txt")
    assert "published as  " in run("show", A).stdout
    assert json.loads(run("show", A, "--json").stdout)["path"] == "in/a.txt"


def test_reason_of_a_rejection_is_shown(run: Run, service: FakeService) -> None:
    service.uploads[0] = replace(service.uploads[0], state=UploadState.REJECTED, rejection="No.")
    rows = dict(line.split("  ", 1) for line in run("show", A).stdout.splitlines())
    facts = {key: value.strip() for key, value in rows.items()}
    assert (facts["state"], facts["rejected"]) == ("rejected", "No.")


def test_unknown_upload_is_not_shown(run: Run, service: FakeService) -> None:
    result = run("show", "x\x1b")
    assert result.exit_code == 1
    assert result.stderr == (
        r"tusd-py: there is no upload x\x1b; `tusd-py ls` lists those that are there" "\n"
    )
    error = json.loads(run("show", "x", "--json").stdout)["error"]
    assert error["code"] == "upload_not_found"


# --- rm ---


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_uploads_are_removed_after_asking(run: Run, service: FakeService, answer: str) -> None:
    result = run("rm", A, B, A, answer=answer)
    assert result.exit_code == 0
    assert service.calls == [("remove", A), ("remove", B)]
    assert result.stdout == f"removed {A}\nremoved {B}\n"
    assert "[y/N]" in result.stderr


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yeah, no\n"])
def test_nothing_is_removed_without_a_yes(run: Run, service: FakeService, answer: str) -> None:
    result = run("rm", A, answer=answer)
    assert (result.exit_code, service.calls) == (1, [])
    assert result.stderr.endswith("\ntusd-py: nothing was removed; answer y, or say --yes\n") or (
        "nothing was removed" in result.stderr
    )


def test_others_are_removed_although_one_is_unknown(run: Run, service: FakeService) -> None:
    result = run("rm", "--yes", A, "x", B)
    assert result.exit_code == 1
    assert result.stdout == f"removed {A}\nremoved {B}\n"
    assert "there is no upload x" in result.stderr
    result = run("rm", "--json", A, "x")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["removed"] == [A]
    assert document["failed"][0]["id"] == "x"
    assert document["failed"][0]["error"]["code"] == "upload_not_found"


# --- sweep ---


def test_sweep_tells_what_it_did_or_would_do(run: Run, service: FakeService) -> None:
    what = "3 expired uploads, 2 tombstones and 1 orphan files: 5.0 MiB\n"
    assert run("sweep").stdout == f"removed {what}"
    assert run("sweep", "--dry-run").stdout == f"would remove {what}"
    assert service.calls == [("sweep", False), ("sweep", True)]
    assert json.loads(run("sweep", "--json", "--dry-run").stdout) == {
        "dry_run": True,
        "expired": 3,
        "tombstones": 2,
        "orphans": 1,
        "bytes_freed": 5 * 2**20,
    }


# --- The data directory ---


@pytest.mark.parametrize("command", [["ls"], ["show", A], ["rm", "--yes", A], ["sweep"]])
def test_directory_without_state_is_not_made_into_one(
    run: Run, tmp_path: Path, command: list[str]
) -> None:
    missing = tmp_path / "missing"
    result = run(*command, "--data-dir", missing)
    assert result.exit_code == 1
    assert result.stderr == (
        f"tusd-py: {missing} holds no uploads of tusd-py (it has no {STATE_FILE}); "
        "name the server's directory with --data-dir or --config\n"
    )
    assert not missing.exists()
    assert json.loads(run(*command, "--data-dir", missing, "--json").stdout)["error"]["code"] == (
        "no_data_directory"
    )


def test_directory_comes_from_file_environment_or_flag(
    run: Run, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("file", "environment", "flag"):
        (tmp_path / name).mkdir()
        (tmp_path / name / STATE_FILE).touch()
    config = tmp_path / "tusd.yaml"
    config.write_text(f"data_dir: {tmp_path}/file")

    def chosen(*arguments: object) -> str:
        assert run("ls", *arguments).exit_code == 0
        assert service.settings is not None
        return service.settings.data_dir.name

    assert chosen() == "data"
    assert chosen("--config", config) == "file"
    monkeypatch.setenv("TUSD_PY_DATA_DIR", str(tmp_path / "environment"))
    assert chosen("--config", config) == "environment"
    assert chosen("--config", config, "--data-dir", tmp_path / "flag") == "flag"


def test_failure_of_the_service_is_told_in_a_line(
    run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(**_: Any) -> list[Upload]:
        raise StateError("The state cannot be read: stop the server and check the disk.")

    monkeypatch.setattr(service, "list_uploads", fail)
    result = run("ls")
    assert result.exit_code == 1
    assert (
        result.stderr == "tusd-py: The state cannot be read: stop the server and check the disk.\n"
    )
    assert json.loads(run("ls", "--json").stdout) == {
        "error": {
            "code": "state_error",
            "message": "The state cannot be read: stop the server and check the disk.",
        }
    }


# --- version ---


def test_versions_are_told(run: Run) -> None:
    names = [line.split()[0] for line in run("version").stdout.splitlines()]
    assert names == ["tusd_py", "Python", "aiohttp", "uvloop", "SQLite"]
    document = json.loads(run("version", "--json").stdout)
    assert list(document) == ["tusd_py", "python", "aiohttp", "uvloop", "sqlite"]


def test_missing_uvloop_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_uvloop(name: str) -> str:
        if name == "uvloop":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("tusd_py.cli.commands.version_of", without_uvloop)
    assert "uvloop not installed\n" in run("version").stdout
    assert json.loads(run("version", "--json").stdout)["uvloop"] is None
