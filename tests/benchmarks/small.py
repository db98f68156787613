"""Measures what comes in great numbers: small uploads, and slow ones."""

import json
import resource
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from urllib.parse import urlsplit

from tests.benchmarks.measure import Measure, Metric, Trial, Values, percentile
from tests.benchmarks.servers import CHECKOUT
from tests.benchmarks.small_load import Load, Outcome
from tests.benchmarks.wire import PATIENCE, UnexpectedAnswer, Wire, patch_head

_TITLE = "Uploads of {small}"
_METRICS = (
    Metric("rate", "uploads/s", compared=True),
    Metric("p50", "p50 ms"),
    Metric("p99", "p99 ms"),
    Metric("cpu", "server CPU us each", compared=True),
    Metric("load", "load CPU us each"),
)
#: Each slow upload gets a piece this often, and in all more than a buffer holds.
_PIECE = b"x" * 8192
_PIECES = 20
_PAUSE = 0.1


def make_uploads(load: Load) -> Outcome:
    """
    Make many small uploads from a process of its own.

    Raises:
        UnexpectedAnswer: The server did not take one of them.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.small_load", json.dumps(asdict(load))],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=load.seconds + 2 * PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise UnexpectedAnswer(f"small uploads: {done.stderr.strip().splitlines()[-1]}")
    return Outcome(**json.loads(done.stdout))


def small_uploads(trial: Trial, *, connections: int, at_once: bool) -> Values:
    """Make uploads of 16 KiB for some seconds."""
    load = Load(
        trial.server.url, connections, trial.scale.small, at_once, seconds=trial.scale.seconds
    )
    trial.warm()
    with trial.window() as window:
        outcome = make_uploads(load)
    return {
        "rate": outcome.uploads / outcome.seconds,
        "p50": percentile(outcome.latencies, 50) * 1e3,
        "p99": percentile(outcome.latencies, 99) * 1e3,
        "cpu": window.server / outcome.uploads * 1e6,
        "load": outcome.cpu / outcome.uploads * 1e6,
    }


def slow_uploads(trial: Trial) -> Values:
    """Hold many uploads open whose bytes come in dribbles, and see what each keeps in memory."""
    count = trial.scale.slow_uploads
    length = 2 * len(_PIECE) * _PIECES
    trial.warm()
    with Wire(trial.server.url) as wire:
        for _ in range(20):
            wire.upload(trial.source, 1024 * 1024)  # what the first uploads cost is not theirs
    idle = trial.server.resident()
    trial.server.reset_peak()
    clients = [_begin_slowly(trial.server.url, length) for _ in range(count)]
    with trial.window() as window:
        for _ in range(_PIECES):
            for client in clients:
                client.sendall(_PIECE)
            time.sleep(_PAUSE)
    peak = trial.server.resident(peak=True)
    for client in clients:
        client.close()
    return {
        "each": (peak - idle) / 1024 / count,
        "idle": idle / 1e6,
        "cpu": window.server / window.seconds,
    }


def _begin_slowly(url: str, length: int) -> socket.socket:
    with Wire(url) as wire:
        target = wire.create(length)
        parts = urlsplit(url)
        client = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE)
        client.sendall(patch_head(target, 0, length))
        return client


def allow_many_connections() -> None:
    """Let this process, and the servers it starts, open as many as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measure(key: str, variant: str, connections: int, *, at_once: bool) -> Measure:
    return Measure(
        key=key,
        group="small",
        title=_TITLE,
        metrics=_METRICS,
        run=partial(small_uploads, connections=connections, at_once=at_once),
        variant=variant,
        needs=frozenset({"creation-with-upload"} if at_once else ()),
        small_files=True,
    )


MEASURES = (
    _measure("small-8", "POST + PATCH, 8 connections", 8, at_once=False),
    _measure("small-64", "POST + PATCH, 64 connections", 64, at_once=False),
    _measure("small-creation", "POST with the bytes, 64 connections", 64, at_once=True),
    Measure(
        key="slow",
        group="slow",
        title="{slow_uploads} uploads at 80 kB/s each",
        metrics=(
            Metric("each", "KiB each", compared=True),
            Metric("idle", "idle RSS MB"),
            Metric("cpu", "server CPU cores"),
        ),
        run=slow_uploads,
        small_files=True,
    ),
)
