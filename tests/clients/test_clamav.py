"""
ClamAV itself looks at uploads: its own clamd, with signatures of our own making.

The sign that every scanner knows for a test is put together here, for no scanner may take this
file, or whoever has it, for a find.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.conftest import MIB, StartServer, require
from tests.clients.running_server import Answer, RunningServer, ask, create

EICAR = "".join(
    ("X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD", "-ANTIVIRUS-TEST", "-FILE!$H+H*")
).encode()
START_SECONDS = 30.0
#: The most that this clamd takes, so that a test can go beyond.
LIMIT = 4 * MIB


@dataclass
class RunningClamd:
    """A clamd of our own, in the foreground, which a test may stop and start again."""

    program: str
    directory: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"unix:{self.directory}/clamd.sock"

    def configure(self) -> None:
        """Give it a database of one signature, and a place for everything that it writes."""
        database, temporary = self.directory / "database", self.directory / "temporary"
        for made in (database, temporary):
            made.mkdir(parents=True)
        (database / "ours.ndb").write_text(f"Ours.Test:0:*:{EICAR.hex()}\n")
        (self.directory / "clamd.conf").write_text(
            f"""
            Foreground yes
            LocalSocket {self.directory}/clamd.sock
            DatabaseDirectory {database}
            TemporaryDirectory {temporary}
            LogFile {self.directory}/clamd.log
            StreamMaxLength {LIMIT}
            MaxThreads 2
            SelfCheck 0
            """
        )

    def start(self) -> None:
        with (self.directory / "printed.log").open("ab") as printed:
            self.process = subprocess.Popen(
                [self.program, f"--config-file={self.directory / 'clamd.conf'}"],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.directory / "clamd.sock"))
                connection.sendall(b"zPING\0")
                return connection.recv(100) == b"PONG\0"
            except OSError:
                return False

    def _log(self) -> str:
        return (self.directory / "printed.log").read_text(errors="replace")


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[RunningClamd]:
    program = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""
    require("ClamAV's clamd", bool(program))
    running = RunningClamd(program, tmp_path / "clamav")
    running.configure()
    running.start()
    yield running
    running.stop()


def send(server: RunningServer, content: bytes) -> tuple[str, Answer]:
    """Upload *content*, and return the upload's URL and the answer to the last byte."""
    url = create(server, len(content))
    headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    return url, ask("PATCH", url, headers, content)


def test_what_clamav_finds_is_rejected_and_removed(
    clamd: RunningClamd, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--clamd", clamd.address)
    clean, answer = send(server, b"nothing to be found here\n" * 1000)
    assert answer.status == 204
    assert ask("GET", clean).status == 200

    for content in (EICAR, bytes(2 * MIB) + EICAR + bytes(MIB)):
        url, answer = send(server, content)
        assert answer.status == 422
        assert b"content_refused" in answer.body
        assert ask("HEAD", url).status == 410
        assert b"A virus scanner found something" in ask("GET", url).body
        stored = [each for each in (tmp_path / "data" / "uploads").rglob("*") if each.is_file()]
        assert [each for each in stored if url.rpartition("/")[2] in each.name] == []
    assert "Ours.Test" in server.log()


def test_what_it_does_not_take_waits(clamd: RunningClamd, start_server: StartServer) -> None:
    server = start_server("--clamd", clamd.address)
    url, answer = send(server, bytes(LIMIT + 2 * MIB))
    assert answer.status == 204
    assert ask("GET", url).status == 409
    assert "raise StreamMaxLength in clamd.conf" in server.log()
    assert ask("DELETE", url).status == 204


def test_while_it_is_away_uploads_wait(clamd: RunningClamd, start_server: StartServer) -> None:
    server = start_server("--clamd", clamd.address, "--sweep-interval", "300ms")
    clamd.stop()
    clean, answer = send(server, b"clean")
    assert answer.status == 204
    evil, answer = send(server, EICAR)
    assert answer.status == 204  # and nobody gets to read it
    assert ask("GET", evil).status == ask("GET", clean).status == 409
    server.kill()
    clamd.start()
    server.start()
    deadline = time.monotonic() + 20
    while {ask("GET", clean).status, ask("GET", evil).status} != {200, 410}:
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)
    assert ask("GET", evil).status == 410
