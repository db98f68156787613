"""Runs measures turn by turn: each round gives every server its turn before the next begins."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.machine import LoopFileSystem
from tests.benchmarks.measure import Measure, Scale, Trial, Values
from tests.benchmarks.servers import Kind, Server, ServerFailed, clear_site, prepare_site
from tests.benchmarks.wire import UnexpectedAnswer

#: What can go wrong with one server without being of concern to the others.
_FAILURES = (ServerFailed, UnexpectedAnswer, OSError, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial's values, and how many cores were busy with something else meanwhile."""

    measure: str
    server: str
    round: int
    values: Values
    others: float


@dataclass(slots=True)
class Places:
    """
    Where things are.

    Attributes:
        source: The file in memory that is sent.
        data: The directory on the disk that is measured.
        loop: Makes a fresh file system for measures that leave many files; None to do without.
    """

    source: Path
    data: Path
    loop: LoopFileSystem | None

    @contextmanager
    def site(self, measure: Measure) -> Iterator[Path]:
        """Lend an empty directory for one trial."""
        if measure.small_files and self.loop is not None:
            with self.loop.mounted() as point:
                yield prepare_site(point)
        else:
            site = prepare_site(self.data)
            yield site
            clear_site(site)


class Schedule:
    """
    Measures, servers and rounds, and what came of them.

    Attributes:
        outcomes: Of every trial that went well, in the order they ran.
        ours_failed: Whether this project's server failed at anything.
        interrupted: Whether it was ended before its time.
    """

    def __init__(
        self, measures: Sequence[Measure], servers: Sequence[Server], scale: Scale, rounds: int
    ) -> None:
        self.measures = measures
        self.servers = list(servers)
        self.scale = scale
        self.rounds = rounds
        self.outcomes: list[Outcome] = []
        self.ours_failed = False
        self.interrupted = False

    def run(self, places: Places) -> None:
        """
        Measure everything; a server that fails is left out of the rest of that measure.

        Being interrupted ends it; what was measured until then stays.
        """
        with suppress(KeyboardInterrupt):
            self._run(places)
            return
        self.interrupted = True
        print("Interrupted: what follows was measured until then.", file=sys.stderr)

    def _run(self, places: Places) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            self._discover(places, progress)
            turns = [
                (measure, turn, server)
                for measure in self.measures
                for turn in range(self.rounds)
                for server in self.servers
                if measure.suits(server)
            ]
            task = progress.add_task("", total=len(turns))
            failed: set[tuple[str, str]] = set()
            for measure, turn, server in turns:
                description = f"{measure.key} · {server.key} · {turn + 1}"
                progress.update(task, description=description)
                if not console.is_terminal:
                    console.print(f"{time.strftime('%H:%M:%S')} {description}")
                if (measure.key, server.key) not in failed and not self._try(
                    measure, turn, server, places
                ):
                    failed.add((measure.key, server.key))
                progress.advance(task)

    def _discover(self, places: Places, progress: Progress) -> None:
        """Leave out servers that do not work at all, before anything is measured."""
        task = progress.add_task("", total=len(self.servers))
        for server in list(self.servers):
            progress.update(task, description=f"Trying {server.key}")
            site = prepare_site(places.data)
            try:
                server.start(site)
                server.discover(places.source)
                server.stop()
            except _FAILURES as error:
                self._fail(server, f"{server.key} does not work and is left out: {error}")
                self.servers.remove(server)
            finally:
                server.kill()
                clear_site(site)
            progress.advance(task)
        progress.remove_task(task)

    def _try(self, measure: Measure, turn: int, server: Server, places: Places) -> bool:
        try:
            with places.site(measure) as site:
                self.outcomes.append(self._trial(measure, turn, server, site, places))
        except _FAILURES as error:
            self._fail(server, f"{server.key} fails {measure.key}: {error!r}")
            return False
        return True

    def _trial(
        self, measure: Measure, turn: int, server: Server, site: Path, places: Places
    ) -> Outcome:
        trial = Trial(server, self.scale, places.source, site, places.data)
        try:
            if not measure.starts:
                server.start(site)
            values = measure.run(trial)
            server.stop()
        finally:
            server.kill()
        return Outcome(measure.key, server.key, turn, values, trial.others)

    def _fail(self, server: Server, sentence: str) -> None:
        self.ours_failed = self.ours_failed or server.kind is Kind.OURS
        print(sentence, file=sys.stderr)
