"""Keys of signed links are changed while the server runs, and no worker is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.clients.running_server import CHECKOUT, RunningServer, create

OLD, NEW = "old-" * 10, "new-" * 10


def status_of(url: str) -> int:
    """Ask several times, on a connection each, so that several workers answer."""
    statuses = set()
    for _ in range(6):
        try:
            with urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
                statuses.add(answer.status)
        except HTTPError as error:
            statuses.add(error.code)
            error.close()
    (status,) = statuses
    return int(status)


def link(server: RunningServer, url: str, keys: Path) -> str:
    """Sign as operators do, on the command line."""
    origin, _, upload_id = url.rpartition("/")
    command = [sys.executable, "-m", "tusd_py", "link", upload_id, "--for", "1h"]
    command += ["--data-dir", str(server.directory / "data"), "--download-keys", str(keys)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TUSD_PY_")}
    environment |= {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=server.directory,
        env=environment,
    )
    return origin.removesuffix("/files") + done.stdout.strip()


def test_keys_change_with_a_reload_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(OLD)
    with RunningServer(tmp_path, "--workers", "2", "--download-keys", str(keys)) as server:
        url = create(server, 0)
        by_old = link(server, url, keys)
        assert (status_of(url), status_of(by_old)) == (403, 200)

        keys.write_text(f"{NEW}\n{OLD}")
        by_new = link(server, url, keys)
        assert status_of(by_new) == 403  # not before it is told
        server.reload()
        assert (status_of(by_old), status_of(by_new)) == (200, 200)

        keys.write_text(NEW)
        server.reload()
        assert (status_of(by_old), status_of(by_new)) == (403, 200)

        keys.write_text("short")
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 15
        while "has a key of 5 characters in line 1" not in server.log():
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.05)
        assert (status_of(by_old), status_of(by_new)) == (403, 200)
        assert NEW not in server.log()
