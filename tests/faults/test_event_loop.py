"""
Under load the event loop never stands still for more than 50 ms.

The server runs in a process of its own, with a heartbeat on its event loop; a twin process has a
heartbeat and nothing else to do, so it sees what the machine itself adds. Time in which a thread
of the server was ready and waited for a processor is the machine's, too: it may be the loop, or a
thread with the interpreter's lock, for which the loop waits.
"""

import asyncio
import base64
import hashlib
import multiprocessing
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice, permutations
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.harness import run_server
from tusd_py.storage.local import LocalData

MIB = 1024 * 1024
LONGEST = 0.05
BEAT = 0.01
LONG = random.Random(1).randbytes(48 * MIB)
STALE = 150
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


# --- In the server's process, and in its twin's ---


class Clock:
    """The server's clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def waited_for_a_processor() -> float:
    """Return for how many seconds threads of this process were ready, but not running."""
    waited = 0
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            waited += int((thread / "schedstat").read_text().split()[1])
    return waited / 1e9


async def beat(stopped: asyncio.Event, delays: list[float]) -> None:
    """Note how late the loop comes back each time."""
    waited = waited_for_a_processor()
    while not stopped.is_set():
        began, before = time.perf_counter(), waited
        await asyncio.sleep(BEAT)
        late = time.perf_counter() - began - BEAT
        waited = waited_for_a_processor()
        delays.append(late - (waited - before))


async def be_measured(control: Connection, data_dir: Path | None, *, blocking: bool) -> None:
    """Serve, or only beat; do what *control* says until that is "stop", then send the delays."""
    stopped, clock = asyncio.Event(), Clock()
    delays: list[float] = []

    def obey() -> None:
        match control.recv():
            case "measure":
                delays.clear()
            case "a week later":
                clock.ahead += 8 * 86_400
            case "stop":
                stopped.set()

    asyncio.get_running_loop().add_reader(control.fileno(), obey)
    if data_dir is None:
        control.send(0)
        await beat(stopped, delays)
    else:
        if blocking:
            setattr(LocalData, "flush", block)  # noqa: B010 - the defect to be noticed
        serving = run_server(data_dir, clock=clock, checkpoint_bytes=8 * MIB, sweep_interval=0.1)
        async with serving as server:
            control.send(server.port)
            await beat(stopped, delays)
    control.send(delays)


async def block(_: LocalData, *, end: int | None = None) -> None:
    """Wait for a disk that takes its time, on the loop."""
    time.sleep(0.2)  # noqa: ASYNC251 - the defect to be noticed


def run_measured(control: Connection, data_dir: Path | None, blocking: bool) -> None:
    factory: Any = None
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - the loop that the server takes where it is to be had

        factory = uvloop.Loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(be_measured(control, data_dir, blocking=blocking))


# --- In the test's process ---


@dataclass
class Measured:
    """A process whose loop is measured."""

    control: Connection
    port: int

    def delays(self) -> list[float]:
        """End it, and return how late each beat was."""
        self.control.send("stop")
        found: list[float] = self.control.recv()
        return found


@contextmanager
def measured(data_dir: Path | None, *, blocking: bool = False) -> Iterator[Measured]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_measured, args=(theirs, data_dir, blocking), daemon=True)
    process.start()
    try:
        assert ours.poll(15), "the server did not start"
        yield Measured(ours, ours.recv())
        process.join(15)
    finally:
        process.kill()
        process.join()
        if data_dir is not None:
            shutil.rmtree(data_dir)  # rather large to be kept
        ours.close()
        theirs.close()


class Clients:
    """What everybody does at once."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: Any = b"", **headers: str) -> tuple[Any, bytes]:
        """Send one request on a connection of its own."""
        sent = TUS | {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status in (200, 201, 204), (method, answer.status, content)
            return answer.headers, content

    def create(self, length: int, body: bytes = b"", **headers: str) -> str:
        found, _ = self.ask("POST", "/files/", body, Upload_Length=str(length), **headers)
        return str(found["Location"])

    def long(self, **headers: str) -> None:
        path = self.create(len(LONG))
        self.ask("PATCH", path, LONG, Upload_Offset="0", **headers)
        assert len(self.ask("GET", path)[1]) == len(LONG)

    def long_with_checksum(self) -> None:
        digest = base64.b64encode(hashlib.sha1(LONG).digest()).decode()  # noqa: S324 - tus
        self.long(Upload_Checksum=f"sha1 {digest}")

    def chunked(self) -> None:
        path = self.create(len(LONG))
        pieces = (LONG[start : start + MIB] for start in range(0, len(LONG), MIB))
        self.ask("PATCH", path, pieces, Upload_Offset="0")

    def join(self) -> None:
        """Have 432 MiB copied: were that done on the loop, it would show."""
        parts = [self.create(len(LONG), LONG, Upload_Concat="partial") for _ in range(3)]
        for order in islice(permutations(parts), 3):
            found, _ = self.ask("POST", "/files/", Upload_Concat=f"final;{' '.join(order)}")
            while not self.ask("HEAD", found["Location"])[0]["Upload-Offset"]:
                time.sleep(0.01)

    def small(self) -> None:
        for number in range(100):
            path = self.create(20_000)
            self.ask("PATCH", path, LONG[:20_000], Upload_Offset="0")
            self.ask("HEAD" if number % 2 else "DELETE", path)

    def all_at_once(self) -> None:
        kinds: list[Callable[[], None]] = [self.long, self.long, self.long_with_checksum]
        kinds += [self.chunked, self.join, self.small, self.small]
        with ThreadPoolExecutor(len(kinds)) as pool:
            for done in [pool.submit(kind) for kind in kinds]:
                done.result()


def longest_stall(data_dir: Path, *, blocking: bool = False) -> tuple[float, float]:
    """
    Return the third longest stall of a server under load, and of its idle twin meanwhile.

    One or two may be the machine's all the same; whatever the server does wrong here, it does more
    often.
    """
    with measured(data_dir, blocking=blocking) as server, measured(None) as twin:
        clients = Clients(server.port)
        for _ in range(STALE):
            clients.create(1000, b"x")
        server.control.send("a week later")  # and the sweeper has work to do
        for each in (server, twin):
            each.control.send("measure")
        if blocking:
            clients.chunked()
        else:
            clients.all_at_once()
        return sorted(server.delays())[-3], sorted(twin.delays())[-3]


def test_the_loop_does_not_stand_still(tmp_path: Path) -> None:
    stall, machine = longest_stall(tmp_path)
    assert stall < LONGEST + machine


def test_a_loop_that_waits_for_the_disk_is_noticed(tmp_path: Path) -> None:
    stall, machine = longest_stall(tmp_path, blocking=True)
    assert stall > LONGEST + machine
