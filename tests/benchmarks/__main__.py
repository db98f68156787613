"""Measures this server beside others, turn by turn in the same run."""

import json
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console

from tests.benchmarks import growth, handover, large, small
from tests.benchmarks.goals import judge
from tests.benchmarks.machine import LoopFileSystem, describe_machine
from tests.benchmarks.measure import QUICK, Measure, Scale
from tests.benchmarks.peers import Tusd, TusNodeServer, Tuspyserver
from tests.benchmarks.report import draw, markdown, sheets
from tests.benchmarks.schedule import Places, Schedule
from tests.benchmarks.servers import CHECKOUT, Server, Sink, TusdPy
from tests.benchmarks.wire import make_source
from tusd_py.config.units import parse_size

MEASURES: tuple[Measure, ...] = (
    *large.MEASURES,
    *small.MEASURES,
    *handover.MEASURES,
    *growth.MEASURES,
)
_MEMORY = Path("/dev/shm")  # noqa: S108 - the one place that is memory on every Linux

_WIDTH = 160  # of tables that go to a file


def choose_measures(only: str | None, *, full: bool) -> list[Measure]:
    """
    Return the measures named in *only*, or all that are not left to --full.

    Raises:
        click.BadParameter: There is no measure or group of such a name.
    """
    if only is None:
        return [measure for measure in MEASURES if full or not measure.only_full]
    names = only.split(",")
    known = {name: None for each in MEASURES for name in (each.group, each.key)}
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"no {unknown[0]!r}: choose from {', '.join(known)}")
    return [each for each in MEASURES if each.key in names or each.group in names]


def choose_servers(named: str | None, *, peers: bool, tusd: Path | None) -> list[Server]:
    """
    Return the servers to measure, saying on standard error which cannot be.

    Raises:
        click.BadParameter: There is no server of such a name.
    """
    servers: list[Server] = [
        TusdPy(durability, workers) for workers in (1, 2) for durability in ("strict", "relaxed")
    ]
    servers += [Sink(direct=False), Sink(direct=True)]
    servers += [Tusd(tusd)] if tusd else []
    servers += [TusNodeServer(), Tuspyserver()] if peers else []
    if named is not None:
        known = [server.key for server in servers]
        if unknown := [name for name in named.split(",") if name not in known]:
            raise click.BadParameter(f"no {unknown[0]!r}: choose from {', '.join(known)}")
        servers = [server for server in servers if server.key in named.split(",")]
    for server in servers:
        if lack := server.missing():
            click.echo(f"Left out: {lack}", err=True)
    return [server for server in servers if not server.missing()]


def _leave(*_: object) -> None:
    """End as on Ctrl-C when told to: servers stop, and what was measured is shown."""
    raise KeyboardInterrupt


@click.command(help=__doc__)
@click.option("--only", metavar="NAME,...", help="Measures, or groups of them, to run.")
@click.option("--servers", metavar="NAME,...", help="Servers to measure.")
@click.option("--peers", is_flag=True, help="Install and measure @tus/server and tuspyserver.")
@click.option("--tusd", type=click.Path(path_type=Path), help="Measure this tusd binary, too.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="Small sizes and one round: does everything work?")
@click.option("--full", is_flag=True, help="Also what takes long; 100,000 uploads on disk.")
@click.option("--on-disk", type=click.IntRange(1), help="How many uploads a restart finds.")
@click.option("--data", type=click.Path(path_type=Path), help="Put data below this directory.")
@click.option("--loop-ext4", metavar="SIZE", help="Fresh file systems for small files (root).")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write raw numbers.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print for docs/performance.md.")
def main(
    *,
    only: str | None,
    servers: str | None,
    peers: bool,
    tusd: Path | None,
    rounds: int,
    quick: bool,
    full: bool,
    on_disk: int | None,
    data: Path | None,
    loop_ext4: str | None,
    json_file: Path | None,
    as_markdown: bool,
) -> None:
    """Run what was asked for."""
    scale = QUICK if quick else replace(Scale(), on_disk=100_000) if full else Scale()
    scale = replace(scale, on_disk=on_disk or scale.on_disk)
    chosen = choose_servers(servers, peers=peers, tusd=tusd and tusd.absolute())
    schedule = Schedule(choose_measures(only, full=full), chosen, scale, 1 if quick else rounds)
    small.allow_many_connections()
    signal.signal(signal.SIGTERM, _leave)
    parent = data or CHECKOUT / ".bench"
    parent.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(parent)
    source = make_source(_MEMORY, scale.large)
    scratch = Path(tempfile.mkdtemp(dir=parent, prefix="data-"))
    try:
        loop = LoopFileSystem(scratch, parse_size(loop_ext4)) if loop_ext4 else None
        schedule.run(Places(source, scratch, loop))
    finally:
        source.unlink()
        shutil.rmtree(scratch, ignore_errors=True)
    if json_file:
        raw = {"machine": machine, "scale": asdict(scale)}
        trials = [asdict(each) for each in schedule.outcomes]
        json_file.write_text(json.dumps({**raw, "trials": trials}, indent=1) + "\n")
    verdicts = [] if quick else judge(schedule.outcomes)
    if as_markdown:
        print(markdown(machine, schedule.servers, schedule, verdicts))
    else:
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(machine)
        draw(console, sheets(schedule), verdicts)
    sys.exit(130 if schedule.interrupted else 1 if schedule.ours_failed else 0)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
