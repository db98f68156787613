"""Measures what moves many bytes: throughput, its CPU, and what it does to everybody else."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from tests.benchmarks.measure import Measure, Metric, Trial, Values, percentile, timed
from tests.benchmarks.processes import Window
from tests.benchmarks.servers import Kind
from tests.benchmarks.wire import UnexpectedAnswer, Wire
from tusd_py.protocol.checksum import ALGORITHMS, Checksum, format_checksum

_THROUGHPUT = (
    Metric("gbps", "GB/s", compared=True),
    Metric("cpu", "server CPU s/GB", compared=True),
    Metric("load", "load CPU s/GB"),
    Metric("peak", "peak RSS MB"),
)
_EVERYBODY = frozenset(Kind)
_OURS = frozenset({Kind.OURS})
_STREAMS = 4
_READ_AHEAD = 1024 * 1024


def one_patch(trial: Trial) -> Values:
    """Send everything in one PATCH."""
    size = trial.scale.large
    trial.warm(size)
    with Wire(trial.server.url) as wire:
        target = wire.create(size)
        trial.server.reset_peak()
        with trial.window() as window:
            wire.patch(target, 0, trial.source, size)
    return _throughput(trial, window, size)


def many_patches(trial: Trial) -> Values:
    """Send everything in PATCHes of 8 MB, one after the other on one connection."""
    size, step = trial.scale.large, trial.scale.chunk
    trial.warm(size)
    with Wire(trial.server.url) as wire:
        target = wire.create(size)
        trial.server.reset_peak()
        with trial.window() as window:
            for offset in range(0, size, step):
                wire.patch(target, offset, trial.source, min(step, size - offset))
    return _throughput(trial, window, size)


def streams(trial: Trial, *, count: int, size: int) -> Values:
    """Send *count* uploads at a time: the memory must not follow the bytes."""
    idle = trial.server.resident()
    trial.warm(count * size)
    wires = [Wire(trial.server.url) for _ in range(count)]
    targets = [wire.create(size) for wire in wires]
    trial.server.reset_peak()
    with ThreadPoolExecutor(count) as threads, trial.window() as window:
        _settle(
            [
                threads.submit(wire.patch, target, 0, trial.source, size)
                for wire, target in zip(wires, targets, strict=True)
            ]
        )
    for wire in wires:
        wire.socket.close()
    values = _throughput(trial, window, count * size)
    return {**values, "grown": values["peak"] - idle / 1e6}


def checksummed(trial: Trial, *, algorithm: str) -> Values:
    """Send one PATCH whose checksum the server has to verify."""
    size = trial.scale.stream
    trial.warm(size)
    fields = [f"Upload-Checksum: {_checksum(trial.source, size, algorithm)}"] if algorithm else []
    with Wire(trial.server.url) as wire:
        target = wire.create(size)
        trial.server.reset_peak()
        with trial.window() as window:
            wire.patch(target, 0, trial.source, size, *fields)
    return _throughput(trial, window, size)


def head_under_load(trial: Trial) -> Values:
    """Ask for the offset of an idle upload while four others receive all they can."""
    size = trial.scale.long_stream
    trial.warm(_STREAMS * size)
    wires = [Wire(trial.server.url) for _ in range(_STREAMS)]
    latencies: list[float] = []
    with Wire(trial.server.url) as wire, ThreadPoolExecutor(_STREAMS) as threads:
        idle = wire.create(size)
        targets = [each.create(size) for each in wires]
        with trial.window() as window:
            sending = [
                threads.submit(each.patch, target, 0, trial.source, size)
                for each, target in zip(wires, targets, strict=True)
            ]
            while not all(each.done() for each in sending):
                latencies.append(timed(partial(wire.offset_of, idle)))
                time.sleep(0.001)
            _settle(sending)
    for each in wires:
        each.socket.close()
    return {
        "p50": percentile(latencies, 50) * 1e3,
        "p99": percentile(latencies, 99) * 1e3,
        "max": max(latencies) * 1e3,
        "gbps": _STREAMS * size / 1e9 / window.seconds,
    }


def final_post(trial: Trial) -> Values:
    """Join four partial uploads, and wait until the final one says that it is complete."""
    size = trial.scale.stream
    trial.warm(2 * _STREAMS * size)
    with Wire(trial.server.url) as wire:
        parts = [wire.create(size, "Upload-Concat: partial") for _ in range(_STREAMS)]
        for part in parts:
            wire.patch(part, 0, trial.source, size)
        with trial.window() as window:
            began = time.perf_counter()
            final = wire.join(parts)
            answered = time.perf_counter() - began
            while wire.offset_of(final) != _STREAMS * size:
                time.sleep(0.002)
            ready = time.perf_counter() - began
    return {"answered": answered * 1e3, "ready": ready * 1e3, "cpu": window.server}


def download(trial: Trial) -> Values:
    """Read a finished upload twice: as its upload left it, and when it is in memory for sure."""
    size = trial.scale.large
    trial.warm(size)
    with Wire(trial.server.url) as wire:
        target = wire.upload(trial.source, size)
        with trial.window() as first:
            _read(wire, target, size)
        with trial.window() as again:
            _read(wire, target, size)
    return {
        "again": size / 1e9 / again.seconds,
        "cpu": again.server / (size / 1e9),
        "first": size / 1e9 / first.seconds,
    }


def _read(wire: Wire, target: str, size: int) -> None:
    answer = wire.ask("GET", target)
    if answer.status != 200 or answer.length != size:
        raise UnexpectedAnswer(f"GET: {answer.head.decode()!r}")
    wire.discard(size)


def _settle(sending: list[Future[None]]) -> None:
    for each in sending:
        each.result()


def _throughput(trial: Trial, window: Window, size: int) -> Values:
    gigabytes = size / 1e9
    return {
        "gbps": gigabytes / window.seconds,
        "cpu": window.server / gigabytes,
        "load": window.load / gigabytes,
        "peak": trial.server.resident(peak=True) / 1e6,
    }


@lru_cache
def _checksum(source: Path, size: int, algorithm: str) -> str:
    hasher = Checksum(algorithm, b"").hasher()
    left = size
    with source.open("rb") as file:
        while left:
            piece = file.read(min(left, _READ_AHEAD))
            hasher.update(memoryview(piece))
            left -= len(piece)
    return format_checksum(algorithm, hasher.digest())


def _checksum_measure(algorithm: str) -> Measure:
    return Measure(
        key=f"checksum-{algorithm or 'none'}",
        group="checksum",
        title="What a checksum costs: one PATCH of {stream}",
        # Its rows are to be compared with each other.
        metrics=tuple(replace(metric, compared=False) for metric in _THROUGHPUT),
        run=partial(checksummed, algorithm=algorithm),
        variant=algorithm or "none",
        kinds=_OURS,
    )


def _four_streams(trial: Trial) -> Values:
    return streams(trial, count=_STREAMS, size=trial.scale.stream)


def _ten_streams(trial: Trial) -> Values:
    return streams(trial, count=10, size=trial.scale.large)


def _streams_measure(key: str, title: str, run: Callable[[Trial], Values]) -> Measure:
    metrics = (*_THROUGHPUT, Metric("grown", "RSS grown by MB"))
    return Measure(
        key=key, group=key, title=title, metrics=metrics, run=run, only_full=key == "ten"
    )


MEASURES = (
    Measure(
        key="patch",
        group="patch",
        title="One PATCH of {large}",
        metrics=_THROUGHPUT,
        run=one_patch,
        kinds=_EVERYBODY,
    ),
    _streams_measure("streams", "Four uploads of {stream} at a time", _four_streams),
    _streams_measure("ten", "Ten uploads of {large} at a time", _ten_streams),
    Measure(
        key="chunks",
        group="chunks",
        title="{large} in PATCHes of {chunk}",
        metrics=_THROUGHPUT,
        run=many_patches,
    ),
    Measure(
        key="head",
        group="head",
        title="HEAD of another upload while four of {long_stream} are received",
        metrics=(
            Metric("p99", "p99 ms", compared=True),
            Metric("p50", "p50 ms"),
            Metric("max", "max ms"),
            Metric("gbps", "the uploads' GB/s"),
        ),
        run=head_under_load,
    ),
    *(_checksum_measure(algorithm) for algorithm in ("", *ALGORITHMS)),
    Measure(
        key="final",
        group="final",
        title="Joining four partial uploads of {stream}",
        metrics=(
            Metric("answered", "answered after ms", compared=True),
            Metric("ready", "complete after ms", compared=True),
            Metric("cpu", "server CPU s"),
        ),
        run=final_post,
        needs=frozenset({"concatenation"}),
    ),
    Measure(
        key="get",
        group="get",
        title="GET of {large}",
        metrics=(
            Metric("again", "GB/s from memory", compared=True),
            Metric("cpu", "server CPU s/GB", compared=True),
            Metric("first", "GB/s right after the upload"),
        ),
        run=download,
        needs=frozenset({"download"}),
    ),
)
