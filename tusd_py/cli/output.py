"""Writes what commands have to say: tables and sentences for people, JSON for scripts."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Where a command's context notes that `--json` was given, for failures to be written so too.
_JSON: Final = "tusd_py.json"

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,  # A failure to read the other options is to be written as JSON too.
    help="Write one JSON document instead of text for people.",
    callback=lambda context, _, given: context.meta.setdefault(_JSON, given),
)


class Failure(click.ClickException):
    """
    A command could not do what it was asked; the message says why and what to do.

    Attributes:
        code: Stable, for scripts.
        as_json: Whether to be shown as JSON; the group of commands decides.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.as_json = False

    def as_document(self) -> dict[str, Any]:
        """Return the failure as every JSON document here shows failures."""
        return {"error": {"code": self.code, "message": self.message}}

    def show(self, file: Any = None) -> None:
        """Print the failure; click calls this."""
        if self.as_json:
            print_json(self.as_document())
        else:
            say(self.message)


class Interrupted(Failure):
    """Ctrl-C ended the command; the exit code is what a shell makes of that signal."""

    exit_code = 130

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__("interrupted", message)


def wants_json(context: click.Context) -> bool:
    """Tell whether `--json` was given to the command that *context* belongs to."""
    return bool(context.meta.get(_JSON))


def say(message: str) -> None:
    """Print *message* to stderr, each line with the program's name."""
    for line in message.splitlines():
        click.echo(f"tusd-py: {printable(line)}", err=True)


def print_json(document: object) -> None:
    """Print *document* to stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """
    Print *rows* below *header*, in full: whatever the width, no cell is cut off.

    Other programs can read the table as well: cells are told apart by two blanks or more.
    """
    cells = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if sys.stdout.isatty():
        _print_rich_table(cells, widths)
        return
    for row in cells:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def _print_rich_table(cells: list[list[str]], widths: list[int]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, width in zip(cells[0][:-1], widths[:-1], strict=True):
        table.add_column(title, min_width=width, no_wrap=True)
    # The last column is the one that may be long, such as a file's name; it goes on below.
    table.add_column(cells[0][-1], overflow="fold")
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    console = Console()
    # On a narrower terminal its own wrapping keeps ids whole, where rich would cut them.
    console.width = max(console.width, sum(widths[:-1]) + 2 * len(widths) + 20)
    console.print(table)


def printable(text: str) -> str:
    r"""
    Return *text* with what a terminal would act on written out, as `\x1b`.

    File names and metadata come from strangers, who must not move the cursor or the reading
    direction of an operator's screen.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def as_utf8_text(value: str) -> str:
    """Return *value* from the command line or a directory as UTF-8 can carry it."""
    return os.fsencode(value).decode("utf-8", "replace")


def approximate_size(size: int) -> str:
    """Return *size* in the unit that makes it easiest to grasp, as `4.7 GiB`."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}" if unit != "B" else f"{size} B"
        amount /= 1024
    return f"{amount:.1f} PiB"


def iso_time(seconds: float | None) -> str | None:
    """Return a time in ISO 8601 and UTC, for scripts."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def local_time(seconds: float | None) -> str:
    """Return a time for people, in their time zone and with its offset from UTC."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
