"""Does to the server what happens to servers, one thing every few seconds."""

import asyncio
import base64
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from tests.faults.soak.calls import PATH, World
from tests.faults.soak.disk import Disk
from tests.faults.soak.plans import MIB
from tests.faults.soak.processes import Handle, SoakServer, wait_for
from tests.faults.soak.timeline import Fault
from tests.faults.soak.wire import Broken, Line, Request

#: Seconds within which a fault's consequence has to show: a process is gone, a new one is there.
_PATIENCE = 20.0
#: How many faults may be under way, or wait for each other; the next one is late then.
_AT_ONCE = 4
#: Seconds for which workers are stopped, and disks are full.
_SPELL = (0.5, 3.0)
#: What the uploads are called that only see whether the server is there.
_PROBE = "probe"


class Monkey:
    """
    Breaks the server, and sees to it that it comes back.

    Args:
        world: Where the clients are.
        server: It runs.
        disk: Where its data is.
        seed: Decides what is done, and for how long.
        workers: How many processes serve.

    Attributes:
        did: What was done by now.
        lost: Set when the server could not be brought back.
    """

    def __init__(
        self, world: World, server: SoakServer, disk: Disk, *, seed: int, workers: int
    ) -> None:
        self.did: set[Fault] = set()
        self.lost = asyncio.Event()
        self._world = world
        world.ledger.unanswered.add(_PROBE)
        self._server = server
        self._disk = disk
        self._rng = random.Random(seed)
        self._workers = workers
        self._deck: list[Fault] = []
        self._running: list[asyncio.Task[None]] = []
        #: Held by whoever starts or stops processes: two at a time would get in each other's way.
        self._processes = asyncio.Lock()
        self._freezing = asyncio.Lock()
        self._filling = asyncio.Lock()

    @property
    def repertoire(self) -> dict[Fault, Callable[[], Awaitable[None]]]:
        """Return what can be done here."""
        can: dict[Fault, Callable[[], Awaitable[None]]] = {
            Fault.KILL_SERVER: self._kill_server,
            Fault.FREEZE: self._freeze_worker,
            Fault.RESTART: self._restart,
            Fault.KILL_WORKER: self._kill_worker,
            Fault.ROLL: self._roll,
            Fault.RELOAD: self._reload,
        }
        if self._disk.may_fill:
            can[Fault.FULL] = self._fill_disk
        return can

    async def go_on(self, every: float) -> None:
        """Do something every *every* seconds, until cancelled; then put everything right."""
        guarding = asyncio.create_task(self._guard())
        try:
            while True:
                await asyncio.sleep(every)
                if not self._deck:
                    self._deck = self._rng.sample(list(self.repertoire), k=len(self.repertoire))
                self._running.append(asyncio.create_task(self._do(self._deck.pop())))
                done = [task for task in self._running if task.done()]
                self._running = [task for task in self._running if task not in done]
                await asyncio.gather(*done)  # raises what is a mistake of ours
                while len(self._running) >= _AT_ONCE and not any(t.done() for t in self._running):
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.gather(*self._running)
            async with self._processes:
                guarding.cancel()
            await asyncio.gather(guarding, return_exceptions=True)

    async def _do(self, fault: Fault) -> None:
        try:
            await self.repertoire[fault]()
        except AssertionError as error:
            # The server did not start, or not stop: nothing works from here.
            self._world.ledger.report(f"{fault}: {error}")
            self.lost.set()
        else:
            self._world.figures.counts[fault] += 1
            self.did.add(fault)

    # --- Processes ---

    async def _kill_server(self) -> None:
        async with self._processes:
            with self._world.timeline.during(Fault.KILL_SERVER):
                await asyncio.to_thread(self._server.kill)
                await asyncio.sleep(self._rng.uniform(0, 0.3))
                began = time.monotonic()
                await self._start()
                await self._wait_until_accepting(began)
                seconds = time.monotonic() - began
            if Fault.FULL not in self._world.timeline.since(began):
                self._world.figures.recoveries.append(seconds)

    async def _wait_until_accepting(self, began: float) -> None:
        """Wait until the server that was started at *began* has accepted a byte."""
        accepted = asyncio.create_task(self._first_accepted())
        try:
            while not accepted.done():
                assert time.monotonic() < began + _PATIENCE, "the server accepts nothing"
                await asyncio.wait({accepted}, timeout=0.1)
                assert not self._server.has_ended, "the server ended by itself"
        finally:
            accepted.cancel()
            await asyncio.gather(accepted, return_exceptions=True)

    async def _first_accepted(self) -> None:
        """Return once the server has accepted a byte."""
        while True:
            try:
                line = await Line.open(self._world.direct)
                try:
                    if await _accepts(line):
                        return
                finally:
                    line.close()
            except Broken:
                pass
            await asyncio.sleep(0.01)

    async def _restart(self) -> None:
        async with self._processes:
            await self._thaw()
            with self._world.timeline.during(Fault.RESTART):
                await asyncio.to_thread(self._server.stop)
                await self._start()

    async def _start(self) -> None:
        """Start the server, again and again while it refuses for want of room, as systemd would."""
        while True:
            began = time.monotonic()
            try:
                await asyncio.to_thread(self._server.start)
            except AssertionError:
                if Fault.FULL not in self._world.timeline.since(began):
                    raise
                self._world.figures.counts["starts refused for want of room"] += 1
                await asyncio.sleep(0.2)
            else:
                return

    async def _reload(self) -> None:
        async with self._processes:
            await self._thaw()
            with self._world.timeline.during(Fault.RELOAD):
                await asyncio.to_thread(self._server.reload)

    async def _kill_worker(self) -> None:
        async with self._processes:
            with self._world.timeline.during(Fault.KILL_WORKER):
                began = time.monotonic()
                await self._replace(await self._any_worker(), signal.SIGKILL)
            self._world.figures.replacements.append(time.monotonic() - began)

    async def _roll(self) -> None:
        """Tell one worker after the other to go, each when the one before has a successor."""
        async with self._processes:
            await self._thaw()
            with self._world.timeline.during(Fault.ROLL):
                for pid in self._server.worker_pids():
                    await self._replace(pid, signal.SIGTERM)

    async def _replace(self, pid: int, number: signal.Signals) -> None:
        """Send a worker *number*, and wait until another one is there for it."""
        with Handle(pid) as worker:
            worker.signal(number)

        def is_replaced() -> bool:
            pids = self._server.worker_pids()
            return self._server.has_ended or (pid not in pids and len(pids) == self._workers)

        replaced = await asyncio.to_thread(wait_for, is_replaced, _PATIENCE)
        assert replaced, f"no successor of {pid} after {number.name}: {self._server.worker_pids()}"

    async def _freeze_worker(self) -> None:
        async with self._freezing:
            pid = await self._any_worker()
            with Handle(pid) as worker, self._world.timeline.during(Fault.FREEZE):
                worker.signal(signal.SIGSTOP)
                try:
                    await asyncio.sleep(self._rng.uniform(*_SPELL))
                finally:
                    worker.signal(signal.SIGCONT)

    async def _thaw(self) -> None:
        """Wait until no worker is stopped: such a one hears nobody."""
        async with self._freezing:
            pass

    async def _guard(self) -> None:
        """Report a server that ends by itself."""
        while not self.lost.is_set():
            await asyncio.sleep(0.1)
            async with self._processes:
                if self._server.has_ended:
                    self._world.ledger.report("the server ended by itself")
                    self.lost.set()

    async def _any_worker(self) -> int:
        """Return the process id of a worker, once there is one."""
        until = time.monotonic() + _PATIENCE
        while not (pids := self._server.worker_pids()):
            assert time.monotonic() < until, "no worker is there"
            await asyncio.sleep(0.02)
        return self._rng.choice(pids)

    # --- The disk ---

    async def _fill_disk(self) -> None:
        async with self._filling:
            with self._world.timeline.during(Fault.FULL):
                leaving = self._rng.choice([0, self._rng.randrange(8 * MIB)])
                await asyncio.to_thread(self._disk.fill, leaving=leaving)
                try:
                    await asyncio.sleep(self._rng.uniform(*_SPELL))
                finally:
                    await asyncio.to_thread(self._disk.empty)


async def _one_byte() -> AsyncIterator[bytes]:
    yield b"1"


async def _accepts(line: Line) -> bool:
    """Upload one byte and remove it again; tell whether it was accepted."""
    name = base64.b64encode(_PROBE.encode()).decode()
    headers = {"Tus-Resumable": "1.0.0", "Upload-Metadata": f"soak {name}"}
    octet = {"Content-Type": "application/offset+octet-stream", "Content-Length": "1"}
    created = await line.ask(
        Request("POST", PATH, headers | octet | {"Upload-Length": "1"}, _one_byte()), patience=1.0
    )
    if created.status != 201:
        return False
    path = created.headers["location"]
    with suppress(Broken):
        await line.ask(Request("DELETE", path, headers | {"Content-Length": "0"}), patience=5.0)
    return True
