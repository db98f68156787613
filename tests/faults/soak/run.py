"""One run: a server, a bad network before it, clients, a monkey, and the judgement."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.soak import leaks
from tests.faults.soak.calls import World
from tests.faults.soak.crowd import Crowd
from tests.faults.soak.disk import Disk, disk_at
from tests.faults.soak.figures import Figures, percentile
from tests.faults.soak.ledger import Ledger, Record, Violated, Violation
from tests.faults.soak.monkey import Monkey
from tests.faults.soak.plans import MIB, Sizes
from tests.faults.soak.processes import SoakServer, holdings_of
from tests.faults.soak.proxy import FaultProxy
from tests.faults.soak.timeline import Timeline
from tests.faults.soak.uploader import Uploader

#: Seconds within which every upload has to be done once nothing is broken any more.
_FINISH = 150.0
#: Seconds for which a run of a few faults may go on until each was there.
_LONGER = 60.0
#: Shorter than the defaults, so that a run of minutes sees what they do.
_FLAGS = (
    *("--idle-timeout", "10s", "--shutdown-timeout", "5s", "--disk-reserve", "16MiB"),
    # What clients left behind, a creation whose answer was lost for one, has to make room again.
    *("--expire-after", "90s", "--orphan-grace", "30s", "--sweep-interval", "5s"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """
    What to do.

    Attributes:
        seconds: For how long things are broken; warming up and finishing come on top.
        clients: How many upload at a time.
        workers: How many processes serve.
        seed: Decides what is left to chance; only the moments differ from run to run.
        every: Seconds between two faults.
        durability: The server's setting.
        sizes: How large the largest uploads are.
        disk: Bytes of the server's disk.
        hand_over: Seconds within which HEAD is answered beside a hung line, at the 99th percentile;
            not judged where the machine is too busy for a small PATCH in a third of that.
        each_fault: Whether to go on until each fault was there once, for a minute at most.
        enough: After how many violations there is nothing more to be learned.
    """

    seconds: float
    clients: int = 32
    workers: int = 2
    seed: int = 1
    every: float = 2.0
    durability: str = "strict"
    sizes: Sizes = field(default_factory=Sizes)
    disk: int = 4096 * MIB
    hand_over: float = 0.3
    each_fault: bool = False
    enough: int = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; *disk* says what the server's disk was."""

    figures: Figures
    violations: list[Violation]
    seconds: float
    disk: str


#: Does something to a data directory that no server should do.
Mischief = Callable[[Path], None]


async def soak(
    options: Options,
    directory: Path,
    *,
    tell: Callable[[str], None],
    mischief: Mischief | None = None,
) -> Outcome:
    """
    Run, and return what was seen.

    Args:
        options: What to do.
        directory: An empty one, for the server's data and log.
        tell: Called with what happens, a piece of text at a time.
        mischief: Done half-way, on a thread; what it does has to be found.
    """
    began = time.monotonic()
    flags = (*_FLAGS, "--durability", options.durability)
    server = SoakServer(directory, *flags, workers=options.workers)
    with disk_at(server.data_dir, size=options.disk) as disk:
        run = _Run(options, server, disk, tell)
        try:
            await run.run(mischief)
            run.judge_log()
        finally:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)  # until the loop has closed what was closed
    return Outcome(run.figures, run.ledger.violations, time.monotonic() - began, disk.kind)


class _Run:
    """The steps of a run."""

    def __init__(
        self, options: Options, server: SoakServer, disk: Disk, tell: Callable[[str], None]
    ) -> None:
        self.figures = Figures()
        self.timeline = Timeline()
        self.ledger = Ledger(server.log, self.timeline, lambda found: tell(str(found)))
        self._options = options
        self._server = server
        self._disk = disk
        self._tell = tell

    async def run(self, mischief: Mischief | None) -> None:
        """Warm up, break things, let everybody finish, and look at what is left."""
        files = await self._start()
        options, address = self._options, self._server.address
        async with FaultProxy(address, seed=options.seed) as proxy:
            world = World(
                self.ledger, self.figures, self.timeline, address, proxy.address, calm=True
            )
            crowd = Crowd(world, seed=options.seed, sizes=options.sizes)
            await crowd.upload_each_kind()
            baseline = await asyncio.to_thread(leaks.baseline_of, self._server, files)
            world.calm = False
            async with self._watching():
                await self._break_things(world, crowd, proxy, mischief)
                world.hang_up()
            self.figures.counts.update({str(name): n for name, n in proxy.counts.items()})
        if len(self.ledger.violations) < options.enough:
            await self._judge(world, crowd.kept, baseline)

    async def _start(self) -> set[str]:
        """Start the server, and return what it leaves in its directory when it is stopped."""
        await asyncio.to_thread(self._server.start)
        await asyncio.to_thread(self._server.stop)
        files = await asyncio.to_thread(leaks.files_beside_uploads, self._server.data_dir)
        await asyncio.to_thread(self._server.start)
        return files

    async def _break_things(
        self, world: World, crowd: Crowd, proxy: FaultProxy, mischief: Mischief | None
    ) -> None:
        """Let clients upload while everything breaks, and until all are done after that."""
        options = self._options
        monkey = Monkey(world, self._server, self._disk, seed=options.seed, workers=options.workers)
        clients = asyncio.create_task(crowd.go_on(options.clients))
        breaking = asyncio.create_task(monkey.go_on(options.every))
        try:
            began = time.monotonic()
            if mischief is not None:
                await asyncio.sleep(options.seconds / 2)
                await asyncio.to_thread(mischief, self._server.data_dir)
            while self._goes_on(monkey, time.monotonic() - began):
                await asyncio.sleep(0.2)
                for task in (clients, breaking):
                    if task.done():
                        task.result()  # it has failed: they end only when they are told to
            crowd.over.set()
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)
            world.calm = True
            proxy.calm_down()
            await self._let_finish(clients, crowd, monkey)
        finally:
            for task in (clients, breaking):
                task.cancel()
            await asyncio.gather(clients, breaking, return_exceptions=True)

    def _goes_on(self, monkey: Monkey, seconds: float) -> bool:
        """Tell whether things are to be broken longer than *seconds*."""
        options = self._options
        lacks = options.each_fault and not monkey.did.issuperset(monkey.repertoire)
        limit = options.seconds + (_LONGER if lacks else 0)
        return seconds < limit and not self._is_vain(monkey)

    def _is_vain(self, monkey: Monkey) -> bool:
        return monkey.lost.is_set() or len(self.ledger.violations) >= self._options.enough

    async def _let_finish(
        self, clients: "asyncio.Task[None]", crowd: Crowd, monkey: Monkey
    ) -> None:
        """Wait until every client is done; report those who are not in time."""
        until = time.monotonic() + _FINISH
        while not clients.done() and time.monotonic() < until and not self._is_vain(monkey):
            await asyncio.wait({clients}, timeout=0.2)
        if clients.done():
            clients.result()
            return
        late = [record for record in self.ledger.living.values() if record not in crowd.kept]
        for record in late[: self._options.enough]:
            self.ledger.report(f"not finished {_FINISH:.0f} s after the last fault", record)

    async def _judge(self, world: World, kept: list[Record], baseline: leaks.Baseline) -> None:
        """Look at what is left when everybody is done, and at the figures."""
        options, server, ledger = self._options, self._server, self.ledger
        self._tell("Looking at what is left.")
        await asyncio.to_thread(leaks.look_at_descriptors, server, baseline, ledger)
        leaks.look_at_memory(self.figures.memory, baseline, options.clients, ledger)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(leaks.look_at_files, server, baseline, ledger)
        without_data = await asyncio.to_thread(leaks.look_at_uploads, server, kept, ledger)
        server.flags += ("--orphan-grace", "1s", "--sweep-interval", "1s")
        await asyncio.to_thread(server.start)
        for record in kept:
            with suppress(Violated):
                await self._look_again(world, record)
        await asyncio.to_thread(leaks.look_at_swept, server, ledger)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(leaks.look_through_verify, server, without_data, ledger)
        self._judge_figures()

    def judge_log(self) -> None:
        """Report what the server should not have printed, in all of its lives."""
        self._server.look_through_log()
        for report in self._server.reports:
            self.ledger.report(f"the server printed:\n{report}")

    async def _look_again(self, world: World, record: Record) -> None:
        """Make sure that a finished upload is there after the restart, to the byte."""
        record.moved()
        client = Uploader(world, record, random.Random(record.number))
        try:
            await client.insist(client.inspect)
            await client.read_back()
        finally:
            client.hang_up()

    def _judge_figures(self) -> None:
        figures, bar = self.figures, self._options.hand_over
        slow, usual = percentile(figures.hand_overs, 99), percentile(figures.small_patches, 99)
        text = f"HEAD beside a hung line took {slow:.3f} s, and may take {bar}"
        if slow > bar and usual > bar / 3:
            # Whatever is asked of such a machine takes its time.
            self._tell(f"{text}; but a small PATCH took {usual:.3f} s: not judged")
        elif slow > bar:
            self.ledger.report(text)

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Measure memory, and how late the clients' own event loop is."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        pause, count = 0.1, 0
        while True:
            due = time.monotonic() + pause
            await asyncio.sleep(pause)
            self.figures.lags.append(max(0.0, time.monotonic() - due))
            count += 1
            if count % 10 == 0:
                with suppress(OSError, AssertionError):  # just being restarted
                    for pid in self._server.pids():
                        self.figures.memory = max(self.figures.memory, holdings_of(pid).memory)
