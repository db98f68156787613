"""Examines a tus server and its proxy, and says which line to change."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from click.exceptions import Exit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from tusd_py.cli.addressing import parse_headers, parse_url
from tusd_py.cli.output import Failure, json_option, print_json, printable, say

if TYPE_CHECKING:
    from tusd_py.doctor.examination import Check, Watcher
    from tusd_py.doctor.report import Report
    from tusd_py.doctor.verdict import Verdict

_LONGEST_PAUSE: Final = 600.0
_INDENT: Final = " " * 10


class _CannotLook(Failure):
    """Nothing could be asked, so nobody knows."""

    exit_code = 2


def _parse_origin(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+", value):
        raise click.BadParameter(
            f"{value!r} is no origin; write scheme and host alone, as https://app.example.org"
        )
    return value


@click.command()
@click.argument("url", callback=parse_url)
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="NAME:VALUE",
    multiple=True,
    callback=parse_headers,
    help="Goes with each request, as 'Authorization: Bearer ...', and is never shown; may be "
    "repeated.",
)
@click.option(
    "--origin",
    metavar="ORIGIN",
    callback=_parse_origin,
    help="Origin of the page that uploads, such as https://app.example.org; then it has to be "
    "allowed.",
)
@click.option(
    "--pause",
    type=click.FloatRange(0.1, _LONGEST_PAUSE),
    metavar="SECONDS",
    default=5.0,
    show_default=True,
    help="How long a body stands still; time limits of a minute need 65 to be seen.",
)
@click.option("--insecure", is_flag=True, help="Go on where the certificate is not right.")
@json_option
def doctor(
    url: str,
    headers: dict[str, str],
    origin: str | None,
    pause: float,
    insecure: bool,
    as_json: bool,
) -> None:
    """
    Examine the tus server at URL, where uploads are created, through its proxy.

    Uploads a little, breaks off, resumes, and asks as browsers do; says what is wrong and which
    line of nginx, Caddy, Traefik or an ingress changes it. What it uploads it removes. Exits with 0
    where all is well, with 1 where something is broken, with 2 where there is nothing to ask.
    """
    # Imported here, since --help needs none of it.
    from tusd_py.doctor.examination import examine  # noqa: PLC0415
    from tusd_py.doctor.target import Target  # noqa: PLC0415
    from tusd_py.doctor.verdict import CannotExamine  # noqa: PLC0415

    target = Target(url, headers, origin, verifies=not insecure, pause=pause)
    try:
        with _watcher(is_quiet=as_json) as watcher:
            report = examine(target, watcher)
    except CannotExamine as error:
        raise _CannotLook(error.code, str(error)) from error
    if as_json:
        print_json(report.as_document())
    else:
        _tell(report)
    if not report.is_healthy:
        raise Exit(1)


class _Bar:
    """Draws how many checks are done, where a person watches."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def begins(self, check: "Check") -> None:
        self._progress.update(self._task, description=check.title)

    def ends(self, verdict: "Verdict") -> None:
        self._progress.advance(self._task)


class _Silence:
    """Shows nothing."""

    def begins(self, check: "Check") -> None:
        pass

    def ends(self, verdict: "Verdict") -> None:
        pass


@contextmanager
def _watcher(*, is_quiet: bool) -> Iterator["Watcher"]:
    if is_quiet or not sys.stderr.isatty():
        yield _Silence()
        return
    from tusd_py.doctor.examination import CHECKS  # noqa: PLC0415 -- as above

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, progress.add_task("", total=len(CHECKS)))


def _tell(report: "Report") -> None:
    """Print each check, and below what is wrong the lines that change it, once."""
    told: set[str] = set()
    for verdict in report.verdicts:
        outcome = verdict.outcome.value
        said = verdict.skipped or ("" if verdict.findings else verdict.answered)
        click.echo(printable(f"{outcome:<8}  {verdict.title:<21}  {said}".rstrip()))
        for finding in verdict.findings:
            _tell_finding(report, finding.code, finding.text, told)
    _tell_end(report)


def _tell_finding(report: "Report", code: str, text: str, told: set[str]) -> None:
    from tusd_py.doctor.remedies import REMEDIES  # noqa: PLC0415 -- as above

    click.echo(f"{_INDENT}{printable(text)} [{code}]")
    if code in told:
        click.echo(f"{_INDENT}What to change stands above.")
        return
    told.add(code)
    remedy = REMEDIES[code]
    click.echo(f"{_INDENT}{remedy.meaning}")
    for place, line in remedy.lines(report.proxy):
        click.echo(f"{_INDENT}  {place:<13}  {line}")


def _tell_end(report: "Report") -> None:
    from tusd_py.doctor.verdict import Outcome  # noqa: PLC0415 -- as above

    counts = ", ".join(f"{report.count(outcome)} {outcome.value}" for outcome in reversed(Outcome))
    answered = f"; answered by {', '.join(report.servers)}" if report.servers else ""
    say(f"{report.url}: {counts} in {report.seconds:.1f} s{answered}")
    for url in report.left:
        say(f"{url} stays: it could not be removed")
