"""Verifies a data directory, and repairs it: its state, its data, and whether they agree."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tusd_py.cli.commands import data_options
from tusd_py.cli.output import Failure, approximate_size, print_json, printable, say
from tusd_py.errors import TusError

if TYPE_CHECKING:
    from tusd_py.repair import Report
    from tusd_py.uploads.verification import Finding


class _CannotLook(Failure):
    """The directory could not be looked at, so nobody knows."""

    exit_code = 2


@click.command()
@data_options
@click.option("--repair", is_flag=True, help="Mend what can be mended; no server may be running.")
def verify(config: Path | None, data_dir: str | None, as_json: bool, repair: bool) -> None:
    """
    Find out whether the state file is sound and every upload has its data.

    Changes nothing without --repair, and may run beside the server. Exits with 0 where all is
    well, with 1 where something is wrong (or was left so), with 2 where it cannot look.
    """
    try:
        report = _verify(config, data_dir, repairs=repair, is_quiet=as_json)
    except Failure as failure:
        raise _CannotLook(failure.code, failure.message) from failure
    if as_json:
        print_json(_as_document(report, repairs=repair))
    else:
        _tell(report, repairs=repair)
    if not report.is_clean:
        raise Exit(1)


def _verify(
    config: Path | None, data_dir: str | None, *, repairs: bool, is_quiet: bool
) -> "Report":
    # Imported here, since --help needs none of it.
    from tusd_py import repair  # noqa: PLC0415
    from tusd_py.cli.serving import load  # noqa: PLC0415

    settings = load(config, {"data_dir": data_dir}).settings
    with _progress(is_quiet=is_quiet) as on_progress:
        try:
            return asyncio.run(repair.verify(settings, repairs=repairs, on_progress=on_progress))
        except TusError as error:
            raise Failure(error.code, error.message) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            access = "write" if repairs else "read"
            reason = f"{place}{error.strerror or error}; run this as a user who may {access} there"
            raise Failure("os_error", reason) from error


@contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[float], None]]:
    """Give what shows how much was looked at, where a person watches."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("Verifying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda part: progress.update(task, completed=part)


def _as_document(report: "Report", *, repairs: bool) -> dict[str, Any]:
    return {
        "clean": report.is_clean,
        "repair": repairs,
        "uploads": report.uploads,
        "bytes": report.bytes,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _tell(report: "Report", *, repairs: bool) -> None:
    for finding in report.findings:
        click.echo(printable(_line(finding, repairs=repairs)))
    found = len(report.findings)
    size = approximate_size(report.bytes)
    say(f"{report.uploads} uploads, {size} of data: {found or 'no'} finding{'s' * (found != 1)}")
    repairable = sum(finding.can_repair for finding in report.findings)
    if repairable and not repairs:
        say(f"--repair mends {repairable} of them; stop the server first")


def _line(finding: "Finding", *, repairs: bool) -> str:
    if not finding.can_repair:
        outcome = "left as it is:"
    elif not repairs:
        outcome = "--repair"
    else:
        outcome = "repaired:" if finding.is_repaired else "could not be repaired:"
    return f"{finding.subject}: {finding.message} [{finding.code}]; {outcome} {finding.remedy}"
