"""Measures what becomes of everything when there are many uploads already."""

import os
import shutil
import sqlite3
import time
from functools import partial
from pathlib import Path

from tests.benchmarks.measure import Measure, Metric, Trial, Values, percentile, timed
from tests.benchmarks.servers import Kind
from tests.benchmarks.small import make_uploads
from tests.benchmarks.small_load import Load
from tests.benchmarks.wire import Wire
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.rows import COLUMNS, PLACES, to_row
from tusd_py.storage.layout import STATE_FILE

_BATCH = 10_000


def with_rows(trial: Trial, *, many: bool) -> Values:
    """
    Ask and create beside many uploads in the state store.

    They are expired ones, whose ids still answer 410: those have rows, a place in every index, and
    no file, so that the time of the file system stays out of the figure.
    """
    count = trial.scale.many_rows if many else trial.scale.few_rows
    filled = _filled_state(trial, count)
    data = trial.site / "data"
    data.mkdir()
    shutil.copy(filled, data / STATE_FILE)
    trial.warm()
    os.sync()
    with trial.window() as window:
        trial.server.start(trial.site)
    starting = window.seconds
    resident = trial.server.resident()
    with Wire(trial.server.url) as wire, trial.window():
        target = wire.create(trial.scale.small)
        heads = [timed(partial(wire.offset_of, target)) for _ in range(trial.scale.asks)]
        posts = [timed(partial(wire.create, trial.scale.small)) for _ in range(trial.scale.asks)]
    return {
        "head50": percentile(heads, 50) * 1e3,
        "head99": percentile(heads, 99) * 1e3,
        "post50": percentile(posts, 50) * 1e3,
        "post99": percentile(posts, 99) * 1e3,
        "start": starting,
        "idle": resident / 1e6,
    }


def restart(trial: Trial) -> Values:
    """
    Kill the server in the middle of an upload, and see how soon another byte is accepted.

    The time counts from the new process's start; the bytes to send again are those that had left
    the client when the server died.
    """
    server, size = trial.server, trial.scale.stream
    trial.warm(size)
    server.start(trial.site)
    at_once = "creation-with-upload" in server.abilities
    make_uploads(Load(server.url, 64, 1024, at_once, seconds=3600, count=trial.scale.on_disk))
    with Wire(server.url) as wire:
        target = wire.create(size + 1)
        wire.begin(target, trial.source, size, missing=1)
        time.sleep(0.05)
        server.kill()
    os.sync()  # the kernel's own work of before is not the new process's
    with trial.window() as window:
        server.start(trial.site)
        with Wire(server.url) as wire:
            offset = wire.offset_of(target) or 0
            wire.patch(target, offset, trial.source, 1)
    return {"seconds": window.seconds, "again": (size - offset) / 1e6}


def _filled_state(trial: Trial, count: int) -> Path:
    """Return a state file with *count* rows, made by the server and filled past it."""
    kept = trial.scratch / f"state-{count}.sqlite3"
    if not kept.exists():
        trial.server.start(trial.site)
        trial.server.stop()
        made = trial.site / "data" / STATE_FILE
        fill(made, count)
        shutil.copy(made, kept)
        shutil.rmtree(trial.site / "data")
    return kept


def fill(state_file: Path, count: int) -> None:
    """Add *count* expired uploads to a state file that nobody uses."""
    now = time.time()
    db = sqlite3.connect(state_file)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(count, start + _BATCH))
        rows = [to_row(_expired(now, number)) for number in numbers]
        with db:
            db.executemany(f"INSERT INTO upload ({COLUMNS}) VALUES ({PLACES})", rows)  # noqa: S608 - constants
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _expired(now: float, number: int) -> Upload:
    return Upload(
        id=os.urandom(16).hex(),
        owner="",
        length=16_384,
        offset=16_384,
        metadata="filename YmVuY2guYmlu,filetype dGV4dC9wbGFpbg==",
        concat=None,
        state=UploadState.EXPIRED,
        created_at=now - 3600 + number / 1000,
        touched_at=now - 60,
        expires_at=now - 30,
        finished_at=None,
        epoch=number,
    )


def _rows_measure(variant: str, *, many: bool) -> Measure:
    return Measure(
        key="rows-many" if many else "rows-few",
        group="rows",
        title="HEAD and POST beside many uploads in the state store, one at a time",
        metrics=(
            Metric("head50", "HEAD p50 ms"),
            Metric("head99", "HEAD p99 ms"),
            Metric("post50", "POST p50 ms"),
            Metric("post99", "POST p99 ms"),
            Metric("start", "start s"),
            Metric("idle", "RSS after start MB"),
        ),
        run=partial(with_rows, many=many),
        variant=variant,
        kinds=frozenset({Kind.OURS}),
        small_files=True,
        starts=True,
    )


MEASURES = (
    _rows_measure("{few_rows}", many=False),
    _rows_measure("{many_rows}", many=True),
    Measure(
        key="restart",
        group="restart",
        title="Restart after kill -9 with {on_disk} uploads on disk",
        metrics=(
            Metric("seconds", "s to the first accepted byte", compared=True),
            Metric("again", "MB to send again"),
        ),
        run=restart,
        small_files=True,
        starts=True,
    ),
)
