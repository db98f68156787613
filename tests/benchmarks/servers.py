"""Starts and stops the servers that are measured, each as a program of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from enum import StrEnum
from pathlib import Path

from tests.benchmarks.processes import cpu_seconds, descendants, reset_peak, resident_bytes
from tests.benchmarks.wire import Wire

CHECKOUT = Path(__file__).parents[2]
HERE = Path(__file__).parent

#: Peers read all their uploads at start, or none; both take less than this.
_START_SECONDS = 60
_STOP_SECONDS = 40


class Kind(StrEnum):
    """What a server is measured for."""

    OURS = "ours"
    LIMIT = "limit"
    PEER = "peer"


class ServerFailed(Exception):
    """A server did not start, or did not stop; its log says why."""


class Server(ABC):
    """
    One server, which can be started many times, each time on a directory of its own.

    Attributes:
        key: Its name on the command line and in JSON.
        label: Its name in tables.
        kind: What it is measured for.
        url: Where uploads are created, while it runs.
        abilities: The extensions it announces, and "download"; known once `discover` was there.
    """

    key: str
    kind: Kind

    def __init__(self) -> None:
        self.url = ""
        self.abilities: frozenset[str] = frozenset()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def label(self) -> str:
        """Return its name and version."""

    @abstractmethod
    def command(self, directory: Path) -> list[str]:
        """Return how to serve *directory* on a free port of 127.0.0.1."""

    def missing(self) -> str | None:
        """Say what is not installed, and how it can be; None where nothing is missing."""
        return None

    def start(self, site: Path) -> None:
        """
        Serve `site/data`, and return once it listens.

        Raises:
            ServerFailed: It does not.
        """
        log_path = site / "server.log"
        # What is measured is this checkout, without the settings of whoever measures.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TUSD_PY_")}
        environment |= {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self.command(site / "data"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=site,
                env=environment,
            )
        deadline = time.monotonic() + _START_SECONDS
        while (url := self.listening_at(log_path)) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                printed = log_path.read_text(errors="replace")[-2000:]
                raise ServerFailed(f"{self.label} did not start; it printed:\n{printed}")
            time.sleep(0.002)
        self.url = url

    def listening_at(self, log: Path) -> str | None:
        """Return the creation URL once it is being served; here, once it is printed."""
        found = re.search(rb"Uploads: *(http://\S+)\s", log.read_bytes())
        return found[1].decode() if found else None

    def stop(self) -> None:
        """Stop it, as a service manager does, and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"{self.label} did not stop when asked to") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would, with everything it started."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for pid in descendants(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait(_STOP_SECONDS)

    def discover(self, source: Path) -> None:
        """Find out what it is able to, with a small upload from *source*."""
        with Wire(self.url) as wire:
            answer = wire.ask("OPTIONS", wire.root, length=0)
            target = wire.upload(source, 1024)
            downloads = wire.ask("GET", target).status == 200
        announced = (answer.field("Tus-Extension") or "").split(",")
        self.abilities = frozenset(
            [*(each.strip() for each in announced), *(["download"] if downloads else [])]
        )

    def pids(self) -> list[int]:
        """Return its processes."""
        return [] if self._process is None else descendants(self._process.pid)

    def cpu(self) -> float:
        """Return the CPU time it has used."""
        return cpu_seconds(self.pids())

    def resident(self, *, peak: bool = False) -> int:
        """Return its resident bytes now, or at the peak since `reset_peak`."""
        return resident_bytes(self.pids(), peak=peak)

    def reset_peak(self) -> None:
        """Let the peak begin anew."""
        reset_peak(self.pids())


class TusdPy(Server):
    """This project at one durability, with so many workers; its other settings as they come."""

    kind = Kind.OURS

    def __init__(self, durability: str, workers: int = 1) -> None:
        super().__init__()
        self._durability = durability
        self._workers = workers
        self.key = durability if workers == 1 else f"{durability}-{workers}"

    @property
    def label(self) -> str:
        many = "" if self._workers == 1 else f", {self._workers} workers"
        return f"tusd_py {self._durability}{many}"

    def command(self, directory: Path) -> list[str]:
        serve = [sys.executable, "-m", "tusd_py", "serve", "--host", "127.0.0.1", "--port", "0"]
        settings = ["--durability", self._durability, "--log-level", "warning"]
        settings += ["--workers", str(self._workers)]
        return [*serve, "--data-dir", str(directory), *settings]


class Sink(Server):
    """The limit: receives and writes, and nothing else."""

    kind = Kind.LIMIT

    def __init__(self, *, direct: bool) -> None:
        super().__init__()
        self.key = "sink-direct" if direct else "sink"
        self._direct = direct

    @property
    def label(self) -> str:
        return "limit: direct, flushed" if self._direct else "limit: buffered"

    def command(self, directory: Path) -> list[str]:
        flags = ["--direct"] if self._direct else []
        return [sys.executable, str(HERE / "sink.py"), str(directory), *flags]


def prepare_site(parent: Path) -> Path:
    """Return an empty directory for one start below *parent*."""
    site = parent / "site"
    clear_site(site)
    site.mkdir(parents=True)
    return site


def clear_site(site: Path) -> None:
    """Remove what a server left, and wait until the disk has settled."""
    shutil.rmtree(site, ignore_errors=True)
    os.sync()
