"""Debian's nginx with config/nginx.conf, or a spoilt version of it, in front of the server."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CONFIGURATION: Final = Path(__file__).parents[2] / "config" / "nginx.conf"
START_SECONDS: Final = 10
STOP_SECONDS: Final = 10
LOG_SECONDS: Final = 10

_LOCATION: Final = re.compile(
    r"(?P<open>    location /files \{\n      proxy_pass [^;]*;\n)(?P<lines>.*?)(?P<close>    \}\n)",
    re.DOTALL,
)


def find_nginx() -> str | None:
    """Return the path of nginx, which Debian keeps where only root's PATH leads."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def location_lines() -> str:
    """Return what config/nginx.conf has in the location of uploads, proxy_pass left out."""
    found = _LOCATION.search(CONFIGURATION.read_text())
    assert found, f"{CONFIGURATION} has its location of uploads no longer in the known form"
    return found["lines"]


def configuration(
    upstream: str,
    port: int,
    *,
    lines: str | None = None,
    location: str = "/files",
    prefix: str = "",
    certificate: Path | None = None,
    http_lines: str = "",
) -> str:
    """
    Return config/nginx.conf with what differs between two machines, and the rest to the letter.

    Args:
        upstream: Where the server is: `http://127.0.0.1:PORT` or `http://unix:PATH:`.
        port: The port of 127.0.0.1 to listen on.
        lines: What goes into the location of uploads beside proxy_pass; None for what is there.
        location: The location of uploads, where there is no prefix.
        prefix: A path such as `/storage` that nginx takes away before it asks the server.
        certificate: A PEM file with a certificate and its key: https and HTTP/2 then.
        http_lines: More lines for the block of http.
    """
    text = CONFIGURATION.read_text()
    server = upstream.removeprefix("http://").removesuffix(":")
    text = _replace(text, "server 127.0.0.1:1080;", f"server {server};")
    listen = f"listen 127.0.0.1:{port}{' ssl http2' if certificate else ''};"
    text = _replace(text, "listen 443 ssl http2;", listen)
    for name in ("ssl_certificate", "ssl_certificate_key"):
        line = f"{name} {certificate};" if certificate else ""
        text, count = re.subn(rf"\b{name} \S*;", line, text)
        assert count == 1, f"{CONFIGURATION} has {count} times {name}"
    if lines is not None:
        text = _replace(text, location_lines(), f"{lines}\n")
    elif prefix:
        text = _replace(text, 'X-Forwarded-Prefix "";', f"X-Forwarded-Prefix {prefix};")
    if prefix:
        location = f"{prefix}/"
        text = _replace(text, "proxy_pass http://tusd_py;", "proxy_pass http://tusd_py/;")
    text = _replace(text, "location /files {", f"location {location} {{")
    return _replace(text, "http {\n", f"http {{\n{http_lines}\n")


def _replace(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{CONFIGURATION} has {text.count(old)} times {old!r}"
    return text.replace(old, new)


@contextmanager
def running_nginx(
    directory: Path,
    upstream: str,
    *,
    lines: str | None = None,
    location: str = "/files",
    prefix: str = "",
    certificate: Path | None = None,
    http_lines: str = "",
) -> Iterator[str]:
    """
    Run nginx in front of *upstream*, and give the URL of its root: scheme, host and port.

    It runs as a child in the foreground, with everything that it writes below *directory*, and
    is stopped at the end. Then its logs are printed, which pytest shows when the test failed.
    `configuration` says what the arguments mean.

    Raises:
        AssertionError: It does not start; the reason is nginx's own.
    """
    place = Path(tempfile.mkdtemp(prefix="nginx-", dir=directory))
    port = free_port()
    own_lines = _paths_below(place) + http_lines
    text = configuration(
        upstream,
        port,
        lines=lines,
        location=location,
        prefix=prefix,
        certificate=certificate,
        http_lines=own_lines,
    )
    process = _start(place, text)
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        _stop(process)
        print(f"{place}:\n{_logs(place)}")


def wait_for_access(directory: Path, request: str) -> None:
    """Return once an nginx below *directory* wrote down that it is done with such a request."""
    deadline = time.monotonic() + LOG_SECONDS
    while not any(request in log.read_text() for log in directory.glob("nginx-*/access.log")):
        assert time.monotonic() < deadline, f"nginx was never done with {request!r}"
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _paths_below(place: Path) -> str:
    """Return the lines that keep nginx from writing where it was built to write."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {place}/{kind};\n" for kind in kinds)
    return f"{paths}access_log {place}/access.log;\n"


def _start(place: Path, text: str) -> subprocess.Popen[bytes]:
    nginx = find_nginx()
    assert nginx, "nginx is missing; as root: apt-get install nginx"
    # Root's nginx gives its workers to another user, who may not enter a directory of root's.
    user = "user root root;\n" if os.getuid() == 0 else ""
    log = place / "error.log"
    own_lines = f"daemon off;\n{user}worker_processes 1;\npid {place}/pid;\nerror_log {log} warn;\n"
    (place / "nginx.conf").write_text(own_lines + text)
    command = [nginx, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(log)]
    with log.open("ab") as printed:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=printed)
    deadline = time.monotonic() + START_SECONDS
    # It writes its process id once it listens.
    while not (place / "pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError(f"nginx did not start:\n{_logs(place)}")
        time.sleep(0.01)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def _logs(place: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in sorted(place.glob("*.log")))
