"""Debian's Caddy with config/Caddyfile in front of the server."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.proxies.nginx import free_port

CONFIGURATION: Final = Path(__file__).parents[2] / "config" / "Caddyfile"
START_SECONDS: Final = 20
STOP_SECONDS: Final = 10

#: No certificates, and no port to be told by.
_GLOBAL_OPTIONS: Final = "{\n\tadmin off\n\tauto_https off\n}\n"


def find_caddy() -> str | None:
    """Return the path of Caddy."""
    return shutil.which("caddy")


def configuration(upstream: str, port: int, *, prefix: str = "", patience: str = "10s") -> str:
    """
    Return config/Caddyfile with what differs between two machines, and the rest to the letter.

    Args:
        upstream: Where the server is: `127.0.0.1:PORT` or `unix/PATH`.
        port: The port of 127.0.0.1 to listen on, without TLS.
        prefix: A path such as `/storage` that Caddy takes away before it asks the server.
        patience: How long a request waits for a server that is away.
    """
    text = CONFIGURATION.read_text()
    text = _replace(text, "\nuploads.example.org {", f"\nhttp://127.0.0.1:{port} {{")
    text = _replace(text, "reverse_proxy 127.0.0.1:1080 {", f"reverse_proxy {upstream} {{")
    text = _replace(text, "lb_try_duration 10s", f"lb_try_duration {patience}")
    if prefix:
        text = _replace(text, "handle /files* {", f"handle_path {prefix}/* {{")
        text = _replace(text, "-X-Forwarded-Prefix", f"X-Forwarded-Prefix {prefix}")
    return _GLOBAL_OPTIONS + text


def _replace(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{CONFIGURATION} has {text.count(old)} times {old!r}"
    return text.replace(old, new)


@contextmanager
def running_caddy(directory: Path, upstream: str, **options: str) -> Iterator[str]:
    """
    Run Caddy in front of *upstream*, and give the URL of its root: scheme, host and port.

    It runs as a child, with everything that it writes below *directory*, and is stopped at the
    end. Then its log is printed, which pytest shows when the test failed. `configuration` says
    what the arguments mean.
    """
    place = Path(tempfile.mkdtemp(prefix="caddy-", dir=directory))
    port = free_port()
    file = place / "Caddyfile"
    file.write_text(configuration(upstream, port, **options))
    log = place / "caddy.log"
    command = [find_caddy() or "caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
    home = {"HOME": str(place), "XDG_CONFIG_HOME": str(place), "XDG_DATA_HOME": str(place)}
    with log.open("wb") as printed:
        process = subprocess.Popen(command, stderr=printed, env=os.environ | home, cwd=place)
    try:
        _wait_until_it_listens(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait(STOP_SECONDS)
        print(f"{log}:\n{log.read_text(errors='replace')}")


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"Caddy did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)
