"""Figures are right in one process and across several, and cost nothing while they are off."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.running_server import CHECKOUT
from tests.contracts.examples import an_upload
from tusd_py import __version__
from tusd_py.errors import Disconnected, LockTimeout, TooManyUploads, TooSlow, TransferEnded
from tusd_py.events import (
    UploadAdvanced,
    UploadCreated,
    UploadExpired,
    UploadFinished,
    UploadTerminated,
)
from tusd_py.metrics import DIRECTORY_VARIABLE, Metrics, open_metrics, shared_metrics

#: What counts a little, in a process of its own; it says when, and waits to be told to end.
COUNT = """
import sys
from tusd_py.metrics import open_metrics
metrics = open_metrics(enabled=True)
for _ in range(int(sys.argv[1])):
    metrics.connection_made()
    metrics.received(100)
    metrics.answered("HEAD", 200, 0.003)
print("counted", flush=True)
sys.stdin.readline()
"""
#: What shows the figures of all processes, and first forgets those that are named.
SHOW = """
import sys
from tusd_py.metrics import forget_process, open_metrics
for pid in sys.argv[1:]:
    forget_process(int(pid))
sys.stdout.buffer.write(open_metrics(enabled=True).written())
"""


def figures(text: bytes) -> dict[str, float]:
    """Return every series of our own, and its value."""
    lines = [line.rpartition(" ") for line in text.decode().splitlines()]
    return {
        series: float(value)
        for series, _, value in lines
        if series.startswith("tusd_py_") and not series.partition("{")[0].endswith("_created")
    }


def started(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start *code* in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )


def shown(*dead: int) -> dict[str, float]:
    process = started(SHOW, *map(str, dead))
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return figures(out)


class TestOff:
    def test_nothing_is_counted_or_imported(self) -> None:
        code = """
import sys
from tusd_py.metrics import open_metrics
import tusd_py.server
assert open_metrics(enabled=False).written() == b""
assert not [name for name in sys.modules if name.startswith("prometheus_client")]
"""
        process = started(code)
        process.communicate(timeout=30)
        assert process.returncode == 0

    def test_every_method_of_the_other_is_there(self) -> None:
        on = type(open_metrics(enabled=True))
        ours = {name for name in vars(on) if not name.startswith("_")}
        assert ours == {name for name in vars(Metrics) if not name.startswith("_")}


class TestOneProcess:
    def test_counts_events(self) -> None:
        metrics = open_metrics(enabled=True)
        kinds = (UploadCreated, UploadFinished, UploadTerminated, UploadExpired, UploadAdvanced)
        for times, kind in enumerate(kinds, 1):
            for _ in range(times):
                metrics.happened(kind(an_upload(1)))
        counted = figures(metrics.written())
        assert counted["tusd_py_uploads_created_total"] == 1
        assert counted["tusd_py_uploads_finished_total"] == 2
        assert counted["tusd_py_uploads_terminated_total"] == 3
        assert counted["tusd_py_uploads_expired_total"] == 4

    def test_tells_refusals_from_transfers_that_ended(self) -> None:
        metrics = open_metrics(enabled=True)
        refused = TooManyUploads("max_open_uploads_per_owner", 3)
        for error in (Disconnected(), TooSlow(), TooSlow(), LockTimeout(), refused):
            metrics.failed(error)
        counted = figures(metrics.written())
        assert counted['tusd_py_transfers_ended_early_total{code="disconnected"}'] == 1
        assert counted['tusd_py_transfers_ended_early_total{code="too_slow"}'] == 2
        assert counted['tusd_py_requests_refused_total{code="lock_timeout"}'] == 1
        assert counted['tusd_py_requests_refused_total{code="too_many_uploads"}'] == 1

    def test_has_gauges_that_go_down_again(self) -> None:
        metrics = open_metrics(enabled=True)
        for _ in range(3):
            metrics.connection_made()
            metrics.transfer_began()
        metrics.connection_lost()
        metrics.transfer_ended()
        counted = figures(metrics.written())
        assert (counted["tusd_py_connections"], counted["tusd_py_transfers"]) == (2, 2)

    def test_times_requests_that_are_ours_alone(self) -> None:
        metrics = open_metrics(enabled=True)
        metrics.answered("HEAD", 200, 0.0009)
        metrics.answered("HEAD", 404, 0.3)
        metrics.answered("PATCH", 204, None)
        counted = figures(metrics.written())
        assert counted['tusd_py_request_seconds_bucket{le="0.001",method="HEAD"}'] == 1
        assert counted['tusd_py_request_seconds_count{method="HEAD"}'] == 2
        assert counted['tusd_py_requests_total{method="HEAD",status="404"}'] == 1
        assert counted['tusd_py_requests_total{method="PATCH",status="204"}'] == 1
        assert 'tusd_py_request_seconds_count{method="PATCH"}' not in counted

    def test_methods_that_a_client_makes_up_share_one_series(self) -> None:
        metrics = open_metrics(enabled=True)
        before = len(figures(metrics.written()))
        for number in range(100):
            metrics.answered(f"MADE-UP-{number}", 405, 0.001)
        counted = figures(metrics.written())
        assert counted['tusd_py_requests_total{method="other",status="405"}'] == 100
        assert len(counted) - before < 20

    def test_series_of_limits_begin_at_zero(self) -> None:
        counted = figures(open_metrics(enabled=True).written())
        assert counted[f'tusd_py_build_info{{version="{__version__}"}}'] == 1
        for limit in ("max_connections", "max_connections_per_address"):
            assert counted[f'tusd_py_connections_refused_total{{limit="{limit}"}}'] == 0
        for ended in TransferEnded.__subclasses__():
            assert counted[f'tusd_py_transfers_ended_early_total{{code="{ended.code}"}}'] == 0

    def test_two_servers_in_one_process_count_apart(self) -> None:
        one, other = open_metrics(enabled=True), open_metrics(enabled=True)
        one.received(5)
        assert figures(one.written())["tusd_py_received_bytes_total"] == 5
        assert figures(other.written())["tusd_py_received_bytes_total"] == 0


class TestSeveralProcesses:
    def test_count_together_and_the_dead_are_no_longer_open(self, tmp_path: Path) -> None:
        with shared_metrics(tmp_path):
            counting = [started(COUNT, str(times)) for times in (2, 3)]
            for process in counting:
                assert process.stdout is not None
                assert process.stdout.readline() == b"counted\n"
            together = shown()
            assert together["tusd_py_connections"] == 5
            assert together["tusd_py_received_bytes_total"] == 500
            assert together['tusd_py_requests_total{method="HEAD",status="200"}'] == 5
            assert together['tusd_py_request_seconds_bucket{le="0.005",method="HEAD"}'] == 5
            assert together[f'tusd_py_build_info{{version="{__version__}"}}'] == 1
            counting[0].kill()
            for process in counting:
                process.communicate(timeout=30)
            left = shown(counting[0].pid)
            assert left["tusd_py_connections"] == 3
            assert left["tusd_py_received_bytes_total"] == 500


class TestDirectory:
    def test_is_there_for_as_long_as_the_server(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
        with shared_metrics(tmp_path):
            directory = Path(os.environ[DIRECTORY_VARIABLE])
            assert directory.stat().st_mode & 0o777 == 0o700
            (directory / "counter_1.db").touch()
        assert not directory.exists()
        assert DIRECTORY_VARIABLE not in os.environ

    def test_outlives_each_of_the_processes_that_were_forked(self, tmp_path: Path) -> None:
        code = """
import os, sys
from pathlib import Path
from tusd_py.metrics import DIRECTORY_VARIABLE, shared_metrics
with shared_metrics(Path(sys.argv[1])):
    if os.fork() == 0:
        sys.exit()
    os.wait()
    assert Path(os.environ[DIRECTORY_VARIABLE]).is_dir()
"""
        process = started(code, str(tmp_path))
        process.communicate(timeout=30)
        assert process.returncode == 0

    def test_of_a_server_that_was_killed_is_emptied(self, tmp_path: Path) -> None:
        with shared_metrics(tmp_path):
            directory = Path(os.environ[DIRECTORY_VARIABLE])
        directory.mkdir()
        (directory / "counter_1.db").touch()
        with shared_metrics(tmp_path):
            assert Path(os.environ[DIRECTORY_VARIABLE]) == directory
            assert list(directory.iterdir()) == []

    @pytest.mark.parametrize("kind", ["link", "file"])
    def test_is_another_where_somebody_prepared_it(self, tmp_path: Path, kind: str) -> None:
        trap, data_dir = tmp_path / "trap", tmp_path / "data"
        trap.mkdir()
        (trap / "precious").touch()
        data_dir.mkdir()
        with shared_metrics(data_dir):
            expected = Path(os.environ[DIRECTORY_VARIABLE])
        try:
            if kind == "link":
                expected.symlink_to(trap)
            else:
                expected.touch()
            with shared_metrics(data_dir):
                directory = Path(os.environ[DIRECTORY_VARIABLE])
                assert directory.is_dir()
                assert directory.resolve() not in {expected, trap}
            assert (trap / "precious").exists()
        finally:
            expected.unlink()

    def test_of_another_data_directory_is_another(self, tmp_path: Path) -> None:
        names = set()
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            with shared_metrics(tmp_path / name):
                names.add(os.environ[DIRECTORY_VARIABLE])
        assert len(names) == 2
