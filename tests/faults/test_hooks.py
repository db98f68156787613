"""Kill -9 at any moment between the last byte and the delivery loses and reorders no event."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.program import Program
from tests.receiver import Receiver, run_receiver

ROUNDS = 6
CLIENTS = 4
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = TUS | {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[Program]:
    program = Program(tmp_path, "--hooks-urls", receiver.url, "--workers", "2")
    program.start()
    yield program
    program.kill()


class Client:
    """Makes uploads until the server is gone, and remembers what it was promised of each."""

    def __init__(self, endpoint: str, number: int) -> None:
        self._parts = urlsplit(endpoint)
        self._number = number
        self.created: set[str] = set()
        self.finished: set[str] = set()
        self.removed: set[str] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._upload, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let it end after the upload that it is at."""
        self._stopped = True
        self.join()

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _upload(self) -> None:
        try:
            with closing(HTTPConnection(self._parts.netloc, timeout=10)) as connection:
                while not self._stopped:
                    self._upload_one(connection)
        except (OSError, HTTPException):
            return  # the server is gone

    def _upload_one(self, connection: HTTPConnection) -> None:
        if self._number % 2:
            path = self._ask(connection, "POST", self._parts.path, b"abc", {"Upload-Length": "3"})
            upload_id = path.rpartition("/")[2]
            self.created.add(upload_id)
        else:
            path = self._ask(connection, "POST", self._parts.path, b"", {"Upload-Length": "3"})
            upload_id = path.rpartition("/")[2]
            self.created.add(upload_id)
            self._ask(connection, "PATCH", path, b"abc", {"Upload-Offset": "0"})
        self.finished.add(upload_id)
        if self._number >= 2:
            self._ask(connection, "DELETE", path, b"", {})
            self.removed.add(upload_id)

    def _ask(
        self, connection: HTTPConnection, method: str, path: str, body: bytes, more: dict[str, str]
    ) -> str:
        connection.request(method, path, body=body, headers=(OCTETS if body else TUS) | more)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (201, 204)
        return answer.headers.get("Location", path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_server_loses_no_event_and_reorders_none(
    server: Program, receiver: Receiver, seed: int
) -> None:
    moments = random.Random(seed)
    failures = random.Random(seed)
    receiver.answer = lambda _: (503 if failures.random() < 0.2 else 200, {})
    clients: list[Client] = []
    for _ in range(ROUNDS):
        now = [Client(server.endpoint, number) for number in range(CLIENTS)]
        time.sleep(moments.uniform(0.05, 0.6))
        server.kill()
        for client in now:
            client.join()
        clients += now
        server.start()
    created = set[str]().union(*(client.created for client in clients))
    finished = set[str]().union(*(client.finished for client in clients))
    removed = set[str]().union(*(client.removed for client in clients))
    assert len(finished) > ROUNDS * CLIENTS
    assert any(told.status == 503 for told in receiver.told)
    receiver.answer = lambda _: (200, {})

    def told(kind: str) -> set[str]:
        return {each.upload_id for each in receiver.arrived(kind)}

    receiver.until(lambda: told("post-terminate") >= removed, "removals were lost")
    receiver.until(lambda: told("post-finish") >= finished, "finished uploads were lost")
    # What nobody was promised is told as well, where it has happened.
    states = states_of(server)
    receiver.until(lambda: told("post-create") >= created | states.keys(), "creations were lost")
    known = {upload_id for upload_id, state in states.items() if state == "finished"}
    receiver.until(lambda: told("post-finish") >= known, "finished uploads were lost")
    check_order(receiver)


def states_of(server: Program) -> dict[str, str]:
    """Return the state of every upload that there is."""
    state = server.data_dir / "state.sqlite3"
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, state FROM upload").fetchall())


def check_order(receiver: Receiver) -> None:
    """Make sure that each upload's events came in their order, repetitions apart."""
    rank = {"post-create": 0, "post-finish": 1, "post-terminate": 2}
    seen: dict[str, list[int]] = {}
    keys: dict[tuple[str, str], str] = {}
    for each in receiver.arrived():
        seen.setdefault(each.upload_id, []).append(rank[each.kind])
        assert keys.setdefault((each.upload_id, each.kind), each.key) == each.key
    for upload_id, ranks in seen.items():
        assert ranks == sorted(ranks), upload_id
        assert sorted(set(ranks)) == list(range(len(set(ranks)))), upload_id


def test_event_committed_before_the_kill_is_delivered_after_it(
    server: Program, receiver: Receiver
) -> None:
    receiver.stop()
    client = Client(server.endpoint, 1)
    receiver.until(lambda: len(client.finished) > 20)
    server.kill()
    client.join()
    receiver.start()
    server.start()
    receiver.until(
        lambda: {each.upload_id for each in receiver.arrived("post-finish")} >= client.finished
    )
    check_order(receiver)


def test_when_who_delivers_is_killed_another_worker_goes_on(
    server: Program, receiver: Receiver
) -> None:
    client = Client(server.endpoint, 0)
    for _ in range(3):
        come = len(receiver.told)
        receiver.until(lambda come=come: len(receiver.told) > come + 5)  # type: ignore[misc]
        os.kill(keeper_of(server), signal.SIGKILL)
        client.stop()
        client = Client(server.endpoint, 0)
    server.kill()
    client.join()


def keeper_of(server: Program) -> int:
    """Return the worker that holds the lock of whoever keeps house."""
    inode = (server.data_dir / "locks" / "housekeeping").stat().st_ino
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for pid in server.worker_pids():
            if any(f":{inode} " in line for line in locks_of(pid)):
                return pid
        time.sleep(0.05)
    raise AssertionError("nobody keeps house")


def locks_of(pid: int) -> list[str]:
    """Return the locks that a process holds, as the kernel shows them with its open files."""
    found: list[str] = []
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = info.read_text()
        except OSError:
            continue
        found += [line for line in text.splitlines() if line.startswith("lock:")]
    return found
