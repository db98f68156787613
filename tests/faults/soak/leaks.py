"""Looks for what should be gone when nobody uploads any more."""

import base64
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import Measured
from tests.faults.program import run_beside
from tests.faults.soak.ledger import Ledger, Record
from tests.faults.soak.processes import SoakServer, holdings_of, wait_for

#: Seconds within which descriptors have to be given back: idle connections are closed by then.
_PATIENCE = 20.0
#: What may be there once more than at first: a file that is opened when it is first needed.
_SPARE_DESCRIPTORS = 2
#: Buffers of all uploads (the default of buffer_budget), and what a busy Python process gathers.
_MEMORY = 64 * 1024 * 1024 + 64 * 1024 * 1024
_MEMORY_PER_CLIENT = 200 * 1024
#: The file system's own directory, and what SQLite leaves where the last two connections close at
#: the same moment: neither knows then that it is the last.
_EXPLAINED = ("uploads", "lost+found", "state.sqlite3-wal", "state.sqlite3-shm")


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    How things are before anything was broken.

    Attributes:
        descriptors: Of the main process, and the most of any worker, by kind.
        memory: The most of any process.
        files: What a stopped server leaves in its directory, besides uploads.
    """

    descriptors: tuple[Counter[str], Counter[str]]
    memory: int
    files: set[str]


@dataclass(frozen=True, slots=True)
class _Row:
    """What the state file says of an upload; *name* is the creation's."""

    upload_id: str
    offset: int
    state: str
    name: str


def baseline_of(server: Measured, files: set[str]) -> Baseline:
    """Return how things are now; every kind of upload was made, and all connections are closed."""
    main, *workers = (holdings_of(pid) for pid in server.pids())
    most: Counter[str] = Counter()
    for worker in workers:
        most |= worker.descriptors
    memory = max(each.memory for each in (main, *workers))
    return Baseline((main.descriptors, most), memory, files)


def look_at_descriptors(server: Measured, baseline: Baseline, ledger: Ledger) -> None:
    """Report processes that do not give descriptors back. Blocks."""

    def surplus() -> list[str]:
        found = []
        for number, pid in enumerate(server.pids()):
            usual = baseline.descriptors[min(number, 1)]
            more = holdings_of(pid).descriptors - usual
            if more.total() > _SPARE_DESCRIPTORS or "an upload's file" in more:
                found.append(f"process {pid} has {dict(more)} more than {dict(usual)}")
        return found

    if not wait_for(lambda: not surplus(), _PATIENCE):
        ledger.report(f"descriptors are not given back: {surplus()}")


def look_at_memory(most: int, baseline: Baseline, clients: int, ledger: Ledger) -> None:
    """Report a process that had more than buffers and connections explain."""
    bound = baseline.memory + _MEMORY + clients * _MEMORY_PER_CLIENT
    if most > bound:
        ledger.report(f"a process had {most} bytes of memory, of {bound} that are explained")


def files_beside_uploads(data_dir: Path) -> set[str]:
    """Return the paths of all that is in a data directory but uploads, and what explains itself."""
    paths = (path.relative_to(data_dir) for path in data_dir.rglob("*"))
    return {str(path) for path in paths if path.parts[0] not in _EXPLAINED}


def look_at_files(server: SoakServer, baseline: Baseline, ledger: Ledger) -> None:
    """Report what a server that was stopped leaves behind, and did not at first. Blocks."""
    left = files_beside_uploads(server.data_dir) - baseline.files
    if left:
        ledger.report(f"a stopped server leaves {sorted(left)}")


def look_at_uploads(server: SoakServer, kept: list[Record], ledger: Ledger) -> set[str]:
    """
    Report uploads, rows and files that nobody can explain; the server is stopped. Blocks.

    Return the ids of those that may be without data: they were refused on a full disk.
    """
    files = {file.name: file.stat().st_size for file in server.data_dir.glob("uploads/??/*")}
    rows = _rows_of(server.data_dir / "state.sqlite3")
    wanted = {record.upload_id: record for record in kept}
    explained = wanted.keys() | ledger.unanswered | ledger.given_up
    without_data = set()
    for row in rows.values():
        if row.upload_id in ledger.gone:
            ledger.report(f"{row} was terminated, and is there")
        elif not {row.upload_id, row.name} & explained:
            ledger.report(f"{row} is nobody's")
        if row.state == "expired":
            continue
        if row.upload_id not in files and row.offset == 0 and row.name in ledger.unanswered:
            without_data.add(row.upload_id)
        elif files.get(row.upload_id, -1) < row.offset:
            ledger.report(f"{row} has {files.get(row.upload_id)} bytes")
    for upload_id, record in wanted.items():
        if upload_id not in rows or rows[upload_id].state != "finished":
            ledger.report(f"a finished upload is {rows.get(upload_id)}", record)
    _look_at_orphans(files.keys() - rows.keys(), ledger)
    return without_data


def _look_at_orphans(orphans: set[str], ledger: Ledger) -> None:
    """Report data without a row, unless a crash can have cut its removal short."""
    unexplained = orphans - ledger.doubtful
    if unexplained & ledger.gone:
        ledger.report(f"data was left by a termination: {sorted(unexplained & ledger.gone)}")
    strangers = unexplained - ledger.gone
    if len(strangers) > ledger.interrupted:
        ledger.report(f"data is nobody's: {sorted(strangers)}")


def look_at_swept(server: SoakServer, ledger: Ledger) -> None:
    """Report data that the sweeper should have removed by now; the server runs. Blocks."""
    if not wait_for(lambda: not _orphans_of(server), _PATIENCE):
        ledger.report(f"the sweeper leaves {_orphans_of(server)}")


def look_through_verify(server: SoakServer, without_data: set[str], ledger: Ledger) -> None:
    """Report what `tusd-py verify` finds, but for what is known; the server is stopped. Blocks."""
    done = run_beside(server, "verify", "--json")
    findings = json.loads(done.stdout)["findings"]
    if strange := [each for each in findings if each["subject"] not in without_data]:
        ledger.report(f"tusd-py verify ends with {done.returncode}: {strange}")


def _orphans_of(server: SoakServer) -> list[str]:
    return [what for what in server.disagreements() if what.endswith("has no row")]


def _rows_of(state: Path) -> dict[str, _Row]:
    """Return every upload, as the state file has it."""
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute('SELECT id, "offset", state, metadata FROM upload').fetchall()
    return {
        upload_id: _Row(upload_id, offset, upload_state, _name_in(metadata))
        for upload_id, offset, upload_state, metadata in rows
    }


def _name_in(metadata: str | None) -> str:
    _, _, value = (metadata or "").partition(" ")
    return base64.b64decode(value).decode()
