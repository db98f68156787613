"""
A power cut in the middle of load: whatever a client was told is still true afterwards.

The server's disk is a file. The server is stopped dead, the file is copied, and a server starts on
the copy: what the kernel had in memory only is not in it, and the file system begins with what its
journal has, as after a power cut.
"""

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import RunningServer
from tests.faults.loop_file_system import LoopFileSystem, require_loop_devices
from tusd_py.config.model import Settings
from tusd_py.repair import verify
from tusd_py.storage.layout import Layout
from tusd_py.storage.witness import read_witness

MIB = 1024 * 1024
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
FLAGS = ("--checkpoint-bytes", "1MiB", "--checkpoint-interval", "100ms", "--disk-reserve", "0")


class FreezableServer(RunningServer):
    """A server that can be stopped between two instructions."""

    def freeze(self) -> None:
        """Stop it, and return once no call of it into the kernel is under way."""
        processes = [self.pid, *self.worker_pids()]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        tasks = [task for each in processes for task in Path(f"/proc/{each}/task").iterdir()]
        while any(_state(task) != "T" for task in tasks):
            time.sleep(0.005)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


@dataclass(slots=True)
class Told:
    """
    What the client was told of an upload.

    Attributes:
        path: Its URL's path.
        content: All of it, whatever was sent by now.
        offset: The highest offset that an answer named.
        is_partial: Whether it is one, which GET does not return.
        removed: Whether it is gone; None where the client asked for that and got no answer.
    """

    path: str
    content: bytes
    offset: int = 0
    is_partial: bool = False
    removed: bool | None = False


def ask(
    connection: HTTPConnection, method: str, path: str, body: bytes = b"", **headers: str
) -> HTTPResponse:
    """Send a request and read the answer; header names have underscores for dashes."""
    sent = TUS | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    return connection.getresponse()


@dataclass
class Load:
    """Clients that create, fill, join and remove uploads until the server is gone."""

    netloc: str
    told: list[Told] = field(default_factory=list)

    def start(self) -> Callable[[], None]:
        """Begin, and return what waits for the end of all clients."""
        kinds = [self.small, self.small, self.small, self.begun, self.long, self.joined]
        kinds += [self.removed, self.begun]
        threads = [
            threading.Thread(target=self._run, args=(kind, random.Random(number)))
            for number, kind in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()

        def wait() -> None:
            for thread in threads:
                thread.join()

        return wait

    def await_uploads(self, count: int) -> None:
        """Return in the middle of it: when so many were created, and a long one is half there."""
        deadline = time.monotonic() + 20
        while len(self.told) < count or not any(each.offset > MIB for each in list(self.told)):
            assert time.monotonic() < deadline, "the server is too slow"
            time.sleep(0.01)

    def _run(
        self, kind: Callable[[HTTPConnection, random.Random], None], rng: random.Random
    ) -> None:
        connection = HTTPConnection(self.netloc, timeout=30)
        # The server ends these clients, as it is killed.
        with closing(connection), suppress(OSError, HTTPException):
            while True:
                kind(connection, rng)

    def small(self, connection: HTTPConnection, rng: random.Random) -> None:
        """Create, then append in two."""
        told = self._create(connection, rng.randbytes(rng.randrange(2, 60_000)), 0)
        self._append(connection, told, len(told.content) // 2)
        self._append(connection, told, len(told.content))

    def begun(self, connection: HTTPConnection, rng: random.Random) -> None:
        """Send the first half with the creation, and the rest only now and then."""
        content = rng.randbytes(rng.randrange(2, 60_000))
        told = self._create(connection, content, len(content) // 2)
        if rng.random() < 0.5:
            self._append(connection, told, len(content))

    def long(self, connection: HTTPConnection, rng: random.Random) -> None:
        """Send bodies that bypass the page cache, and are committed while they come."""
        told = self._create(connection, rng.randbytes(6 * MIB + rng.randrange(MIB)), 0)
        self._append(connection, told, 3 * MIB + rng.randrange(MIB))
        self._append(connection, told, len(told.content))

    def joined(self, connection: HTTPConnection, rng: random.Random) -> None:
        """Join two partials, and wait until that is done."""
        halves = [rng.randbytes(20_000) for _ in range(2)]
        parts = [
            self._create(connection, each, len(each), Upload_Concat="partial") for each in halves
        ]
        concat = f"final;{' '.join(part.path for part in parts)}"
        answer = ask(connection, "POST", "/files/", Upload_Concat=concat)
        answer.read()
        told = self._note(answer, b"".join(halves), is_partial=False)
        while told.offset < len(told.content):
            answer = ask(connection, "HEAD", told.path)
            answer.read()
            told.offset = int(answer.headers["Upload-Offset"] or 0)

    def removed(self, connection: HTTPConnection, rng: random.Random) -> None:
        """Create, and remove again."""
        told = self._create(connection, rng.randbytes(1000), 1000)
        told.removed = None
        answer = ask(connection, "DELETE", told.path)
        answer.read()
        assert answer.status == 204, answer.status
        told.removed = True

    def _create(
        self, connection: HTTPConnection, content: bytes, first: int, **headers: str
    ) -> Told:
        headers["Upload_Length"] = str(len(content))
        answer = ask(connection, "POST", "/files/", content[:first], **headers)
        answer.read()
        return self._note(answer, content, is_partial="Upload_Concat" in headers)

    def _note(self, answer: HTTPResponse, content: bytes, *, is_partial: bool) -> Told:
        assert answer.status == 201, answer.status
        offset = int(answer.headers["Upload-Offset"] or 0)
        self.told.append(Told(answer.headers["Location"], content, offset, is_partial=is_partial))
        return self.told[-1]

    def _append(self, connection: HTTPConnection, told: Told, end: int) -> None:
        body = told.content[told.offset : end]
        answer = ask(connection, "PATCH", told.path, body, Upload_Offset=str(told.offset))
        answer.read()
        assert answer.status == 204, answer.status
        told.offset = int(answer.headers["Upload-Offset"])


def broken_word(netloc: str, told: Told) -> str | None:
    """Return what is no longer as the client was told, or None; goes on to the upload's end."""
    with closing(HTTPConnection(netloc, timeout=30)) as connection:
        status, offset = look(connection, told)
        if told.removed or status != 200:
            right = {True: (404,), None: (200, 404), False: (200,)}[told.removed]
            return None if status in right else f"{told.path}: HEAD gets {status}"
        if not told.offset <= offset <= len(told.content):
            return f"{told.path}: {offset}, and {told.offset} was acknowledged"
        if offset < len(told.content):
            rest = told.content[offset:]
            answer = ask(connection, "PATCH", told.path, rest, Upload_Offset=str(offset))
            answer.read()
            if answer.status != 204:
                return f"{told.path}: PATCH at {offset} gets {answer.status}"
        if not told.is_partial and ask(connection, "GET", told.path).read() != told.content:
            return f"{told.path}: other bytes than were sent; {offset} were acknowledged"
    return None


def look(connection: HTTPConnection, told: Told) -> tuple[int, int]:
    """Return status and offset; waits for a final upload that may still have to be joined."""
    while True:
        answer = ask(connection, "HEAD", told.path)
        answer.read()
        if answer.status != 200 or told.offset or answer.headers["Upload-Offset"]:
            return answer.status, int(answer.headers["Upload-Offset"] or 0)
        time.sleep(0.01)


def cut_the_power(tmp_path: Path, uploads: int, *flags: str) -> tuple[Path, list[Told]]:
    """Run load for so many uploads; return the disk as it is then, and what clients were told."""
    require_loop_devices()
    image, cut_off = tmp_path / "disk", tmp_path / "disk-after-the-cut"
    with LoopFileSystem(image, tmp_path / "mount", size=4096 * MIB) as disk:
        server = FreezableServer(disk.directory, *FLAGS, *flags)
        server.start()
        try:
            load = Load(urlsplit(server.endpoint).netloc)
            wait = load.start()
            load.await_uploads(uploads)
            server.freeze()
            disk.copy(cut_off)
        finally:
            server.kill()
        wait()
    image.unlink()
    return cut_off, load.told


def without_witness(layout: Layout, told: list[Told]) -> list[str]:
    """Return the uploads whose files do not say whose they are."""
    paths = [each.path for each in told if each.removed is False]
    files = [layout.file_of(path.rpartition("/")[2]) for path in paths]
    return [file.name for file in files if read_witness(file) is None]


def start_again(tmp_path: Path, image: Path, told: list[Told]) -> tuple[list[str], set[str]]:
    """Start a server on the disk; return what is not as clients were told, and what is found."""
    with LoopFileSystem(image, tmp_path / "mount") as disk:
        settings = Settings(data_dir=disk.directory / "data")
        report = asyncio.run(verify(settings, repairs=False, on_progress=lambda _: None))
        unknown = without_witness(Layout(settings.data_dir), told)
        with RunningServer(disk.directory, *FLAGS) as server, ThreadPoolExecutor(8) as pool:
            netloc = urlsplit(server.endpoint).netloc
            reasons = [reason for reason in pool.map(partial(broken_word, netloc), told) if reason]
    image.unlink()  # rather large to be kept
    return reasons + unknown, {finding.code for finding in report.findings}


@pytest.mark.parametrize("uploads", [40, 100, 200])
def test_a_power_cut_leaves_everything_that_clients_were_told(tmp_path: Path, uploads: int) -> None:
    image, told = cut_the_power(tmp_path, uploads)
    broken, found = start_again(tmp_path, image, told)
    assert broken == []
    # An upload that was being removed is gone before its data.
    assert found <= {"data_without_upload"}


def test_relaxed_durability_breaks_its_word(tmp_path: Path) -> None:
    """So the test above can fail."""
    image, told = cut_the_power(tmp_path, 100, "--durability", "relaxed")
    broken, _ = start_again(tmp_path, image, told)
    assert broken != []
