"""The server as a program that a test may signal, and look into from outside."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.clients.running_server import CHECKOUT, STOP_SECONDS, RunningServer


class Program(RunningServer):
    """`tusd-py serve`, its process and its directory."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server does not run"
        return self._process

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_status(self) -> int:
        """Wait until it has ended, and return its status."""
        status = self.process.wait(STOP_SECONDS)
        self._process = None
        return status

    def file_of(self, url: str) -> Path:
        """Return the file that holds an upload's bytes."""
        upload_id = url.rpartition("/")[2]
        return self.data_dir / "uploads" / upload_id[:2] / upload_id

    def disagreements(self) -> list[str]:
        """
        Return what state and data say differently; the server may run meanwhile.

        An empty file without a row is a creation that was cut: it is swept a minute later.
        """
        files = {file.name: file.stat().st_size for file in self.data_dir.glob("uploads/??/*")}
        state = self.data_dir / "state.sqlite3"
        with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as db:
            rows = dict(db.execute('SELECT id, "offset" FROM upload').fetchall())
        found = [f"{upload_id} has no file" for upload_id in rows.keys() - files.keys()]
        found += [
            f"{upload_id} has no row"
            for upload_id in files.keys() - rows.keys()
            if files[upload_id]
        ]
        found += [
            f"{upload_id} has {files[upload_id]} bytes of {offset}"
            for upload_id, offset in rows.items()
            if files.get(upload_id, offset) < offset
        ]
        return found


def run_beside(server: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the data directory of a running server."""
    return subprocess.run(
        [sys.executable, "-m", "tusd_py", *arguments, "--data-dir", str(server.data_dir)],
        cwd=server.data_dir.parent,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
