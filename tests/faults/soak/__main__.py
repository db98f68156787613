"""Breaks a server for minutes or hours, and shows what became of its uploads."""

import asyncio
import json
import resource
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import describe_machine
from tests.clients.running_server import CHECKOUT
from tests.faults.soak.run import Options, Outcome, soak


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(min=0.1), default=30.0, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=32, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True)
@click.option("--durability", type=click.Choice(["strict", "relaxed"]), default="strict")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures.")
@click.option("--keep", is_flag=True, help="Keep the server's log and data.")
def main(
    *,
    minutes: float,
    clients: int,
    workers: int,
    seed: int,
    every: float,
    durability: str,
    json_file: Path | None,
    keep: bool,
) -> None:
    """Run, print the figures, and end with 1 where a promise was broken."""
    options = Options(
        minutes * 60,
        clients=clients,
        workers=workers,
        seed=seed,
        every=every,
        durability=durability,
        hand_over=0.1 if workers == 1 else 0.3,
    )
    allow_many_descriptors()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parent = CHECKOUT / ".soak"
    parent.mkdir(exist_ok=True)
    (parent / ".gitignore").write_text("*\n")
    directory = Path(tempfile.mkdtemp(dir=parent))
    try:
        machine = describe_machine(directory)
        outcome = run(options, directory)
    finally:
        if keep:
            click.echo(f"The server's log is in {directory}", err=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    draw(machine, options, outcome)
    if json_file is not None:
        result = {"machine": machine, "options": asdict(options), "seconds": outcome.seconds}
        result |= {"disk": outcome.disk, **outcome.figures.as_json()}
        result |= {"violations": [str(violation) for violation in outcome.violations]}
        json_file.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if outcome.violations else 0)


def run(options: Options, directory: Path) -> Outcome:
    """Run, saying on standard error what happens."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(soak(options, directory, tell=lambda text: click.echo(text, err=True)))


def fast_loop() -> type[asyncio.AbstractEventLoop] | None:
    """Return the fastest event loop there is: the less the clients cost, the more they break."""
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - not to be had everywhere

        return uvloop.Loop
    return None


def allow_many_descriptors() -> None:
    """Lift the soft limit: a client, the proxy and the server have one end of a line each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def draw(machine: dict[str, str], options: Options, outcome: Outcome) -> None:
    """Print the figures as a table."""
    table = Table("what", "figure", title="Soak")
    for name, value in machine.items():
        table.add_row(name, value)
    table.add_section()
    shown = {**asdict(options), "disk": outcome.disk, "seconds in all": f"{outcome.seconds:.0f}"}
    for name, value in shown.items():
        table.add_row(name, str(value))
    table.add_section()
    for name, value in outcome.figures.rows():
        table.add_row(name, value)
    table.add_section()
    table.add_row("violations", str(len(outcome.violations)))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main(prog_name="scripts/soak")
