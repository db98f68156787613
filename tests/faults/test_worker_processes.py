"""The processes of a server: any may die, settings are read anew, and the system starts it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import CHECKOUT, RunningServer, ask, begin_patch, create

PATIENCE = 20.0
LENGTH = 4_000_000
CONTENT = os.urandom(LENGTH)
OCTETS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, "--workers", "2", "--shutdown-timeout", "5s") as running:
        yield running


def patch(url: str, offset: int, data: bytes) -> int:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        headers = {**OCTETS, "Upload-Offset": str(offset)}
        connection.request("PATCH", parts.path, body=data, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def hanging_patch(url: str, received: int) -> socket.socket:
    """Begin a PATCH of the whole, send some of it, and fall silent."""
    connection = begin_patch(url, LENGTH, CONTENT[:received])
    time.sleep(0.1)  # it is on its way
    return connection


def offset_of(url: str) -> int:
    answer = ask("HEAD", url)
    assert answer.status == 200, answer
    return int(answer.headers["Upload-Offset"])


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# --- Workers that die ---


def test_dead_worker_is_replaced_and_its_upload_goes_on(server: RunningServer) -> None:
    before = server.worker_pids()
    assert len(before) == 2
    url = create(server, LENGTH)
    with hanging_patch(url, 100_000):
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(server.worker_pids()) - set(before)) == 2, "no new workers")
        offset = offset_of(url)
    assert offset <= 100_000
    assert patch(url, offset, CONTENT[offset:]) == 204
    assert ask("GET", url).body == CONTENT


def test_workers_end_with_their_supervisor_and_the_next_server_starts_at_once(
    server: RunningServer,
) -> None:
    url = create(server, LENGTH)
    workers = server.worker_pids()
    with hanging_patch(url, 100_000):
        server.kill()
        server.start()
        assert not any(map(is_running, workers))
        offset = offset_of(url)
    assert patch(url, offset, CONTENT[offset:]) == 204
    assert ask("GET", url).body == CONTENT


def test_processes_that_were_killed_leave_no_socket_behind(server: RunningServer) -> None:
    locks = server.directory / "data" / "locks"
    wait_until(lambda: socket_owners(locks) == set(server.worker_pids()), "no sockets")
    server.kill()
    assert len(socket_owners(locks)) == 2
    server.start()
    wait_until(lambda: socket_owners(locks) == set(server.worker_pids()), "other sockets")
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    time.sleep(0.1)
    wait_until(lambda: socket_owners(locks) == set(server.worker_pids()), "other sockets")


def socket_owners(locks: Path) -> set[int]:
    return {int(path.name.partition("-")[0]) for path in locks.glob("*.sock")}


def test_worker_that_cannot_start_is_started_again_until_it_can(tmp_path: Path) -> None:
    with RunningServer(tmp_path) as server:
        state = tmp_path / "data" / "state.sqlite3"
        aside = state.with_name("aside")
        state.rename(aside)
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        wait_until(lambda: server.log().count("A worker could not start") >= 2, "no second try")
        assert "Traceback" not in server.log()
        aside.rename(state)
        url = create(server, LENGTH)
        assert patch(url, 0, CONTENT) == 204


def test_stopped_worker_is_no_zombie_that_writes_later(tmp_path: Path) -> None:
    """
    While a worker is stopped nobody gets its upload, for its last write may be under way; once it
    goes on it commits what it had and leaves, before anybody else writes.
    """
    with RunningServer(tmp_path, "--workers", "2", "--lock-timeout", "500ms") as server:
        url = create(server, LENGTH)
        with hanging_patch(url, 1_000_000):
            holder = writer_of(server, url.rpartition("/")[2])
            os.kill(holder, signal.SIGSTOP)
            try:
                statuses = {ask("HEAD", url).status for _ in range(3) if others_answer(server)}
            finally:
                os.kill(holder, signal.SIGCONT)
            assert statuses <= {423}
            offset = offset_of(url)
        assert 0 < offset <= 1_000_000
        assert patch(url, offset, CONTENT[offset:]) == 204
        time.sleep(0.3)  # whatever the old writer still wanted to do would be done by now
        assert ask("GET", url).body == CONTENT


def writer_of(server: RunningServer, upload_id: str) -> int:
    writers: list[int] = []

    def is_found() -> bool:
        writers[:] = [pid for pid in server.worker_pids() if has_open(pid, upload_id)]
        return bool(writers)

    wait_until(is_found, "nobody writes")
    return writers[0]


def has_open(pid: int, upload_id: str) -> bool:
    descriptors = Path(f"/proc/{pid}/fd").iterdir()
    return any(
        str(each.readlink()).endswith(upload_id) for each in descriptors if each.is_symlink()
    )


def others_answer(server: RunningServer) -> bool:
    """Tell whether a new connection comes to a worker that is not stopped."""
    parts = urlsplit(server.endpoint)
    connection = HTTPConnection(parts.netloc, timeout=0.3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except TimeoutError:
        return False
    finally:
        connection.close()


def test_rm_asks_the_writer_to_let_go(server: RunningServer) -> None:
    url = create(server, LENGTH)
    upload_id = url.rpartition("/")[2]
    with hanging_patch(url, 100_000) as connection:
        rm = [sys.executable, "-m", "tusd_py", "rm", "--yes", upload_id]
        done = subprocess.run(
            [*rm, "--data-dir", str(server.directory / "data")],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"removed {upload_id}\n"), done.stderr
        # It committed what it had and left, rather than finding its upload gone at the end.
        assert connection.recv(1000).startswith(b"HTTP/1.1 423 ")
    assert ask("HEAD", url).status == 404


# --- Signals ---


def test_sighup_takes_up_new_settings_and_drops_nobody(tmp_path: Path) -> None:
    config = tmp_path / "tusd.yaml"
    config.write_text("max_size: 10MB\nworkers: 2\n")
    with RunningServer(tmp_path, "--config", str(config)) as server:
        url = create(server, LENGTH)
        assert patch(url, 0, CONTENT[:1000]) == 204
        config.write_text("max_size: 1MB\nworkers: 1\n")
        done = threading.Event()
        statuses: list[int] = []

        def keep_asking() -> None:
            while not done.is_set():
                try:
                    statuses.append(ask("HEAD", url).status)
                except (HTTPException, ConnectionError):
                    statuses.append(0)

        asker = threading.Thread(target=keep_asking)
        asker.start()
        server.reload()
        done.set()
        asker.join(PATIENCE)
        # A worker that ends tells those whom it let in before 423, or breaks off where it has not
        # read the request yet; clients ask again after either. Nothing is refused for good.
        assert set(statuses) <= {200, 423, 0}
        assert statuses.count(200) > len(statuses) * 0.9
        wait_until(lambda: len(server.worker_pids()) == 1, "a worker too many")
        answer = ask("OPTIONS", server.endpoint)
        assert answer.headers["Tus-Max-Size"] == "1000000"
        assert patch(url, 1000, CONTENT[1000:]) == 204


def test_sighup_with_wrong_settings_keeps_the_old_ones(tmp_path: Path) -> None:
    config = tmp_path / "tusd.yaml"
    config.write_text("max_size: 10MB\n")
    with RunningServer(tmp_path, "--config", str(config)) as server:
        config.write_text("max_size: lots\n")
        server.reload()
        assert ask("OPTIONS", server.endpoint).headers["Tus-Max-Size"] == "10000000"
        assert "The settings stay as they are: max_size = " in server.log()
        config.write_text("max_size: 1MB\ndata_dir: elsewhere\n")
        server.reload()
        assert ask("OPTIONS", server.endpoint).headers["Tus-Max-Size"] == "1000000"
        url = create(server, 1000)
        assert (tmp_path / "data" / "uploads" / url.rpartition("/")[2][:2]).is_dir()


#: Serves with a worker that takes a second from having its handlers to running its loop.
SLOW_START = """
import sys, time
from tusd_py import supervisor
from tusd_py.cli.main import main

load = supervisor._Worker.load_wsgi

def load_slowly(worker):
    print("starting", flush=True)
    time.sleep(1)
    load(worker)

supervisor._Worker.load_wsgi = load_slowly
main(sys.argv[1:], prog_name="tusd-py")
"""


def test_signal_that_comes_while_a_worker_starts_is_heard(tmp_path: Path) -> None:
    """uvloop forgets what comes between its handlers' installation and its first turn."""
    serve = [sys.executable, "-c", SLOW_START, "serve", "--port", "0"]
    process = subprocess.Popen(
        [*serve, "--data-dir", str(tmp_path / "data")],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        while process.stdout.readline() != "starting\n":
            assert process.poll() is None
        process.terminate()
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH])
def test_other_signals_do_no_harm(server: RunningServer, number: signal.Signals) -> None:
    before = server.worker_pids()
    os.kill(server.pid, number)
    time.sleep(0.3)
    assert server.worker_pids() == before
    assert offset_of(create(server, LENGTH)) == 0


# --- Service managers ---


def test_service_manager_hands_over_the_socket_and_is_told_when_it_listens(tmp_path: Path) -> None:
    notices = tmp_path / "notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        manager.bind(str(notices))
        manager.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        # LISTEN_PID names the process that is to take the sockets, which the shell becomes.
        command = 'exec 3<&"$0"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        serve = [sys.executable, "-m", "tusd_py", "serve", "--data-dir", str(tmp_path / "data")]
        process = subprocess.Popen(
            ["/bin/bash", "-c", command, str(listener.fileno()), *serve],
            pass_fds=[listener.fileno()],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "NOTIFY_SOCKET": str(notices)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert b"READY=1" in manager.recv(1000)
            answer = ask("OPTIONS", f"http://127.0.0.1:{port}/files/")
            assert answer.headers["Tus-Version"] == "1.0.0"
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def test_address_in_use_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = [sys.executable, "-m", "tusd_py", "serve", "--port", str(port)]
        done = subprocess.run(
            [*serve, "--data-dir", str(tmp_path / "data")],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    complaint = f"cannot listen on 127.0.0.1:{port} (address already in use)"
    assert complaint in done.stderr.lower()
    assert "Traceback" not in done.stderr
