"""`tusd-py upload` against the real server: stopped in any way, it goes on and arrives whole."""

import http.server
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.clients.conftest import MIB, MakeFile, StartServer
from tests.clients.running_server import CHECKOUT, RunningServer, ask
from tusd_py.cli.main import main

PATIENCE = 30


class Client:
    """The command line as a program of its own, with a home of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("TUSD_PY_")}
        self._environment |= {
            "PYTHONPATH": str(CHECKOUT),
            "XDG_STATE_HOME": str(directory / "state"),
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            cwd=self._directory,
            env=self._environment,
        )

    def start(self, *arguments: object, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            self._command(*arguments),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=self._directory,
            env=self._environment,
            # A shell lets what it runs in the background, and all of its children, ignore Ctrl-C.
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )

    def _command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "tusd_py", *map(str, arguments)]


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def bytes_stored(directory: Path) -> int:
    """Return how many bytes the server has written, finished uploads and others alike."""
    return sum(file.stat().st_size for file in (directory / "data" / "uploads").glob("*/*"))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(
    client: Client, server: RunningServer, file: Path, directory: Path
) -> subprocess.Popen[str]:
    """Start an upload in small chunks, and return once a good part of it has arrived."""
    uploading = client.start("upload", file, "--to", server.endpoint, "--chunk-size", "64KiB")
    wait_for(lambda: bytes_stored(directory) > 3 * MIB or uploading.poll() is not None)
    assert uploading.poll() is None, "the upload ended before it could be disturbed"
    return uploading


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_upload_goes_on_after_it_was_stopped(
    client: Client,
    server: RunningServer,
    make_file: MakeFile,
    tmp_path: Path,
    ending: signal.Signals,
) -> None:
    file = make_file(160 * MIB)  # so that a busy machine cannot be done before the signal comes
    uploading = begin(client, server, file, tmp_path)
    uploading.send_signal(ending)
    _, complaint = uploading.communicate(timeout=PATIENCE)
    if ending == signal.SIGINT:
        assert uploading.returncode == 130
        assert complaint == "tusd-py: interrupted; the same command goes on where it stopped\n"
    else:
        assert uploading.returncode == -ending
    arrived = bytes_stored(tmp_path)
    assert 3 * MIB < arrived < 160 * MIB

    result = client.run("upload", file, "--to", server.endpoint, "--json")
    assert result.returncode == 0, result.stderr
    (sent,) = json.loads(result.stdout)["files"]
    assert 0 < sent["resumed_at"] <= arrived
    assert sent["verified"]
    assert ask("GET", sent["url"]).body == file.read_bytes()
    # Nothing was left behind: there is one upload, and the next call makes another one.
    assert len(json.loads(client.run("ls", "--json").stdout)["uploads"]) == 1
    again = json.loads(client.run("upload", file, "--to", server.endpoint, "--json").stdout)
    assert again["files"][0]["url"] != sent["url"]


def test_upload_outlives_a_crash_of_the_server(
    client: Client, server: RunningServer, make_file: MakeFile, tmp_path: Path
) -> None:
    file = make_file(30 * MIB)
    uploading = begin(client, server, file, tmp_path)
    server.kill()
    server.start()
    output, complaints = uploading.communicate(timeout=PATIENCE)
    assert uploading.returncode == 0, complaints
    assert "trying again in 1 s" in complaints
    url = output.split()[1]
    assert ask("GET", url).body == file.read_bytes()


def test_upload_that_was_removed_is_begun_anew(
    client: Client, server: RunningServer, make_file: MakeFile, tmp_path: Path
) -> None:
    file = make_file(30 * MIB)
    uploading = begin(client, server, file, tmp_path)
    uploading.send_signal(signal.SIGINT)
    uploading.communicate(timeout=PATIENCE)
    (upload,) = json.loads(client.run("ls", "--json").stdout)["uploads"]
    assert client.run("rm", "--yes", upload["id"]).returncode == 0
    result = client.run("upload", file, "--to", server.endpoint, "--json")
    (sent,) = json.loads(result.stdout)["files"]
    assert sent["resumed_at"] == 0
    assert ask("GET", sent["url"]).body == file.read_bytes()


def test_uploads_are_looked_after_beside_the_server(
    client: Client, server: RunningServer, make_file: MakeFile, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    result = client.run("upload", make_file(1000), empty, "--to", server.endpoint)
    assert result.returncode == 0, result.stderr
    urls = [line.split()[1] for line in result.stdout.splitlines()]
    listed = client.run("ls", "--state", "finished").stdout
    assert listed.count("100%") == 2
    for url in urls:
        upload_id = url.rpartition("/")[2]
        assert upload_id in listed
        assert json.loads(client.run("show", upload_id, "--json").stdout)["state"] == "finished"
    gone = urls[0].rpartition("/")[2]
    assert client.run("rm", gone, "--yes").stdout == f"removed {gone}\n"
    assert ask("HEAD", urls[0]).status == 404
    assert client.run("show", gone).returncode == 1
    swept = json.loads(client.run("sweep", "--dry-run", "--json").stdout)
    assert swept["expired"] == 0
    assert ask("HEAD", urls[1]).status == 200


def test_expired_uploads_are_swept_by_hand(
    client: Client, start_server: StartServer, make_file: MakeFile, tmp_path: Path
) -> None:
    server = start_server("--expire-after", "100ms", "--sweep-interval", "1h")
    uploading = begin(client, server, make_file(30 * MIB), tmp_path)
    uploading.kill()
    uploading.communicate(timeout=PATIENCE)
    time.sleep(0.2)
    would = json.loads(client.run("sweep", "--dry-run", "--json").stdout)
    assert would["expired"] == 1
    did = json.loads(client.run("sweep", "--json").stdout)
    assert did == {**would, "dry_run": False}
    assert did["bytes_freed"] > 3 * MIB
    assert bytes_stored(tmp_path) == 0


def test_second_server_cannot_take_the_directory_or_the_port(
    client: Client, server: RunningServer, tmp_path: Path
) -> None:
    result = client.run("serve", "--port", "0", "--data-dir", tmp_path / "data")
    assert result.returncode == 1
    assert "Another server uses the data directory" in result.stderr
    port = server.endpoint.split(":")[2].partition("/")[0]
    result = client.run("serve", "--port", port, "--data-dir", tmp_path / "other")
    assert result.returncode == 1
    assert f"tusd-py: cannot listen on 127.0.0.1:{port} (" in result.stderr
    assert "Traceback" not in result.stderr


def test_file_over_max_size_is_refused(
    client: Client, start_server: StartServer, make_file: MakeFile
) -> None:
    server = start_server("--max-size", "1MiB")
    result = client.run("upload", make_file(2 * MIB), "--to", server.endpoint)
    assert result.returncode == 1
    assert "has 2.0 MiB, and the server takes 1.0 MiB at most" in result.stderr


def test_nobody_there(client: Client, make_file: MakeFile) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/files/"
        result = client.run("upload", make_file(10), "--to", url)
    assert result.returncode == 1
    assert result.stderr == (
        f"tusd-py: cannot reach {url} (connection refused); is the server running there?\n"
    )


@pytest.fixture
def web_server() -> Iterator[str]:
    """The URL of a server that is no tus server."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/files/"
        server.shutdown()
        thread.join()


def test_not_a_tus_server(client: Client, make_file: MakeFile, web_server: str) -> None:
    result = client.run("upload", make_file(10), "--to", web_server)
    assert result.returncode == 1
    assert f"{web_server} is no tus server (OPTIONS got status 501" in result.stderr


def test_silent_server_is_not_waited_for_without_end(
    make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tusd_py.cli.connection.TIME_LIMITS", (0.2, 0.2))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/files/"
        result = CliRunner().invoke(main, ["upload", str(make_file(10)), "--to", url])
    assert result.exit_code == 1
    assert result.stderr == f"tusd-py: {url} did not answer in time; try again later\n"


def test_bar_is_drawn_on_a_terminal(
    client: Client, server: RunningServer, make_file: MakeFile
) -> None:
    file = make_file(8 * MIB)
    ours, theirs = pty.openpty()
    try:
        uploading = client.start("upload", file, "--to", server.endpoint, stderr=theirs)
        output, _ = uploading.communicate(timeout=PATIENCE)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert uploading.returncode == 0
    assert output.startswith(f"{file}: {server.endpoint}")
    assert file.name in shown
    assert "100%" in shown
