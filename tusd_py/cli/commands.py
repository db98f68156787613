"""Looks after the uploads of a data directory: lists, shows, removes and sweeps them."""

import asyncio
import platform
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from tusd_py import __version__
from tusd_py.cli.output import (
    Failure,
    approximate_size,
    iso_time,
    json_option,
    local_time,
    print_json,
    print_table,
    say,
)
from tusd_py.errors import TusError
from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.layout import STATE_FILE

if TYPE_CHECKING:
    from tusd_py.config.model import Settings
    from tusd_py.uploads.service import UploadService


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a data directory, and `--json`."""
    for option in (
        click.option("--data-dir", metavar="PATH", help="Directory of uploads and state."),
        click.option(
            "--config", type=click.Path(path_type=Path), metavar="FILE", help="YAML file."
        ),
    ):
        command = option(command)
    return json_option(command)


@asynccontextmanager
async def _open(config: Path | None, data_dir: str | None) -> "AsyncIterator[UploadService]":
    async with open_uploads(open_settings(config, data_dir)) as service:
        yield service


def open_settings(config: Path | None, data_dir: str | None) -> "Settings":
    """
    Return the settings of a command that acts on a data directory.

    Raises:
        Failure: They cannot be used.
    """
    # Imported here, since `tusd-py version` and --help need none of it.
    from tusd_py.cli.serving import load  # noqa: PLC0415

    return load(config, {"data_dir": data_dir}).settings


@asynccontextmanager
async def open_uploads(settings: "Settings") -> "AsyncIterator[UploadService]":
    """
    Open the data directory as a guest, beside the server if one is running.

    Raises:
        Failure: There is none.
    """
    from tusd_py.server import open_service  # noqa: PLC0415 -- as above

    require_uploads(settings)
    async with open_service(settings, exclusive=False) as service:
        yield service


def require_uploads(settings: "Settings") -> None:
    """
    Refuse a directory that is none of ours.

    Raises:
        Failure: It holds no state file.
    """
    if not (settings.data_dir / STATE_FILE).is_file():
        # Opening it would make an empty one, and a mistyped path would look like no uploads.
        raise Failure(
            "no_data_directory",
            f"{settings.data_dir} holds no uploads of tusd-py (it has no {STATE_FILE}); "
            "name the server's directory with --data-dir or --config",
        )


@click.command()
@data_options
@click.option(
    "--state",
    type=click.Choice([state.value for state in UploadState]),
    help="Only uploads in this state.",
)
@click.option("--owner", metavar="OWNER", help="Only this owner's uploads.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many."
)
def ls(
    config: Path | None,
    data_dir: str | None,
    as_json: bool,
    state: str | None,
    owner: str | None,
    limit: int,
) -> None:
    """List uploads."""

    async def find() -> list[Upload]:
        async with _open(config, data_dir) as service:
            wanted = None if state is None else UploadState(state)
            return await service.list_uploads(state=wanted, owner=owner, limit=limit)

    uploads = asyncio.run(find())
    if as_json:
        print_json({"uploads": [_as_document(upload) for upload in uploads]})
        return
    if not uploads:
        say("no uploads found")
        return
    header = ("ID", "STATE", "SIZE", "DONE", "LAST BYTE", "NAME", "REASON")
    shown = len(header) if any(upload.rejection for upload in uploads) else len(header) - 1
    print_table(header[:shown], [_row(upload)[:shown] for upload in uploads])
    if len(uploads) == limit:
        say(f"stopped after {limit}; see more with --limit")


def _row(upload: Upload) -> tuple[str, ...]:
    length, done = "unknown", approximate_size(upload.offset)
    if upload.length is not None:
        length = approximate_size(upload.length)
        # Rounded down, so that only what is complete is called 100%.
        done = f"{100 * upload.offset // upload.length if upload.length else 100}%"
    name = _metadata(upload).get("filename", _metadata(upload).get("name", "-"))
    return (
        upload.id,
        upload.state.value,
        length,
        done,
        local_time(upload.touched_at),
        name if isinstance(name, str) else "-",
        upload.rejection or "-",
    )


def _metadata(upload: Upload) -> dict[str, Any]:
    """Return the metadata with its values as text, or as hex digits where they are no text."""
    pairs: dict[str, Any] = {}
    for key, value in parse_metadata_leniently(upload.metadata or "").items():
        try:
            pairs[key] = value.decode()
        except UnicodeDecodeError:
            pairs[key] = {"hex": value.hex()}
    return pairs


def _as_document(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "owner": upload.owner,
        "state": upload.state.value,
        "length": upload.length,
        "offset": upload.offset,
        "metadata": _metadata(upload),
        "metadata_header": upload.metadata,
        "concat_header": upload.concat,
        "parts": list(upload.parts),
        "created_at": iso_time(upload.created_at),
        "touched_at": iso_time(upload.touched_at),
        "expires_at": iso_time(upload.expires_at),
        "finished_at": iso_time(upload.finished_at),
        "path": upload.path,
        "rejection": upload.rejection,
    }


@click.command()
@data_options
@click.argument("upload_id", metavar="ID")
def show(config: Path | None, data_dir: str | None, as_json: bool, upload_id: str) -> None:
    """Show all that is known of one upload."""

    async def find() -> Upload:
        async with _open(config, data_dir) as service:
            return await service.show(upload_id)

    try:
        upload = asyncio.run(find())
    except TusError as error:
        raise Failure(error.code, about(upload_id, error)) from error
    if as_json:
        print_json(_as_document(upload))
        return
    length = "not known yet" if upload.length is None else _size_for_people(upload.length)
    rows = [
        ("id", upload.id),
        ("owner", upload.owner or "-"),
        ("state", upload.state.value),
        ("length", length),
        ("offset", _size_for_people(upload.offset)),
        ("kind", "final" if upload.is_final else "partial" if upload.is_partial else "single"),
        ("created", local_time(upload.created_at)),
        ("last byte", local_time(upload.touched_at)),
        ("finished", local_time(upload.finished_at) if upload.finished_at else "not yet"),
        ("expires", local_time(upload.expires_at)),
    ]
    if upload.path is not None:
        rows.append(("published as" if upload.is_finished else "to publish as", upload.path))
    if upload.rejection is not None:
        rows.append(("rejected", upload.rejection))
    rows += [("part", part) for part in upload.parts]
    for key, value in _metadata(upload).items():
        rows.append(
            (f"metadata {key}", value if isinstance(value, str) else f"{value['hex']} (hex)")
        )
    print_table(("FIELD", "VALUE"), rows)


def _size_for_people(size: int) -> str:
    return f"{size} ({approximate_size(size)})" if size >= 1024 else f"{size}"


def about(upload_id: str, error: TusError) -> str:
    """Return what *error* says of an upload, for people."""
    if error.code == "upload_not_found":
        return f"there is no upload {upload_id}; `tusd-py ls` lists those that are there"
    return f"{upload_id}: {error.message}"


@click.command()
@data_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("upload_ids", metavar="ID...", nargs=-1, required=True)
def rm(
    config: Path | None, data_dir: str | None, as_json: bool, yes: bool, upload_ids: tuple[str, ...]
) -> None:
    """Remove uploads, whatever state they are in; asks first."""
    if not (yes or as_json):
        _confirm(f"Remove {len(upload_ids)} upload{'s' * (len(upload_ids) > 1)} for good?")
    failed: dict[str, TusError] = {}

    async def remove() -> None:
        async with _open(config, data_dir) as service:
            for upload_id in dict.fromkeys(upload_ids):
                try:
                    await service.remove(upload_id)
                except TusError as error:
                    failed[upload_id] = error
                if as_json:
                    continue
                if upload_id in failed:
                    say(about(upload_id, failed[upload_id]))
                else:
                    click.echo(f"removed {upload_id}")

    asyncio.run(remove())
    if as_json:
        removed = [upload_id for upload_id in dict.fromkeys(upload_ids) if upload_id not in failed]
        failures = [
            {"id": upload_id, "error": {"code": error.code, "message": about(upload_id, error)}}
            for upload_id, error in failed.items()
        ]
        print_json({"removed": removed, "failed": failures})
    if failed:
        raise Exit(1)


def _confirm(question: str) -> None:
    # click.confirm() takes no answer, as from a closed stdin, for Ctrl-C.
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo("", err=True)
    if answer.strip().lower() not in {"y", "yes"}:
        raise Failure("not_confirmed", "nothing was removed; answer y, or say --yes")


@click.command()
@data_options
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def sweep(config: Path | None, data_dir: str | None, as_json: bool, dry_run: bool) -> None:
    """
    Remove expired uploads, old tombstones and data files that no upload owns.

    A running server does this by itself, every sweep_interval.
    """

    async def run() -> dict[str, int]:
        async with _open(config, data_dir) as service:
            report = await service.sweep(dry_run=dry_run)
            return {
                "expired": report.expired,
                "tombstones": report.tombstones,
                "orphans": report.orphans,
                "bytes_freed": report.bytes_freed,
            }

    counts = asyncio.run(run())
    if as_json:
        print_json({"dry_run": dry_run, **counts})
        return
    click.echo(
        f"{'would remove' if dry_run else 'removed'} {counts['expired']} expired uploads, "
        f"{counts['tombstones']} tombstones and {counts['orphans']} orphan files: "
        f"{approximate_size(counts['bytes_freed'])}"
    )


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Show the versions of tusd_py and of what it stands on."""
    versions = {
        "tusd_py": __version__,
        "Python": platform.python_version(),
        "aiohttp": _installed("aiohttp"),
        "uvloop": _installed("uvloop"),
        "SQLite": sqlite3.sqlite_version,
    }
    if as_json:
        print_json({name.lower(): number for name, number in versions.items()})
        return
    for name, number in versions.items():
        click.echo(f"{name} {number or 'not installed'}")


def _installed(package: str) -> str | None:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None
