"""
No answer precedes what makes it true: its bytes synced, then the state's commit, then the answer.

The server runs under strace; each answer that promises something is held against the calls before
it. The same checks are run on a server that promises less, and on logs that lack one sync each:
they notice.
"""

import base64
import hashlib
import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import require
from tests.faults.promises import Client, Promise
from tests.faults.strace_log import StraceLog, SystemCall, can_trace, traced_server

MIB = 1024 * 1024
CHECKPOINT = MIB


def use_everything(client: Client) -> None:
    """Make every kind of promise that the protocol has."""
    content = random.Random(3).randbytes(20 * MIB)
    path = client.create("creation", Upload_Length="10")
    client.append("small chunk", path, 0, b"01234")
    client.append("finishing chunk", path, 5, b"56789")
    path = client.create("creation with its first bytes", b"abc", Upload_Length=str(20 * MIB))
    client.append("long chunk, with checkpoints", path, 3, content[3 : 16 * MIB + 7])
    client.append("long finishing chunk", path, 16 * MIB + 7, content[16 * MIB + 7 :])
    client.ask("termination", "DELETE", path)
    client.create("creation with everything", content[: 2 * MIB], Upload_Length=str(2 * MIB))
    client.create("creation of nothing", Upload_Length="0")

    path = client.create("creation without a length", Upload_Defer_Length="1")
    client.append("chunked body", path, 0, iter([content[:70_000], content[70_000:MIB]]))
    client.append("length and last bytes", path, MIB, b"end", Upload_Length=str(MIB + 3))

    path = client.create("creation", Upload_Length=str(2 * MIB))
    digest = base64.b64encode(hashlib.sha1(content[: 2 * MIB]).digest()).decode()  # noqa: S324 - tus
    client.append("checksum", path, 0, content[: 2 * MIB], Upload_Checksum=f"sha1 {digest}")

    path = client.create("creation", Upload_Length=str(4 * MIB))
    client.break_off(path, 0, content[: 2 * MIB])
    client.ask("HEAD after a broken line", "HEAD", path)

    parts = [
        client.create("partial", content[:size], Upload_Length=str(size), Upload_Concat="partial")
        for size in (3 * MIB, 5)
    ]
    path = client.create("final", Upload_Concat=f"final;{' '.join(parts)}")
    await_joined(client, path, 3 * MIB + 5)


def await_joined(client: Client, path: str, length: int) -> None:
    """Ask until the final upload's offset is promised."""
    deadline = time.monotonic() + 10
    while client.promises[-1].offset != length:
        assert time.monotonic() < deadline
        client.ask("HEAD of a final upload", "HEAD", path)


def use_side_by_side(client: Client) -> None:
    """Let several clients share commits."""

    def one(number: int) -> list[Promise]:
        with Client(client.netloc) as alone:
            path = alone.create("creation beside others", Upload_Length="3000")
            alone.append("chunk beside others", path, 0, bytes([number]) * 3000)
        return alone.promises

    with ThreadPoolExecutor(8) as pool:
        for promises in pool.map(one, range(16)):
            client.promises += promises


class Checker:
    """Holds promises against what the server had done when it gave them."""

    def __init__(self, log: StraceLog, data_dir: Path) -> None:
        self.log = log
        self.data_dir = data_dir
        wal = log.of(data_dir / "state.sqlite3-wal")
        self.commits = [call for call in wal if call.is_write]
        self.commit_syncs = [call for call in wal if call.is_sync]

    def broken(self, promises: list[Promise]) -> dict[str, str]:
        """Return why, by the request's id, for each promise that was given too early."""
        reasons = ((promise.request_id, self._reason(promise)) for promise in promises)
        return {request_id: reason for request_id, reason in reasons if reason}

    def _reason(self, promise: Promise) -> str | None:
        answer = self.log.answers[promise.request_id]
        durable = -1  # the line at which all that the commit speaks of was durable
        if promise.creates:
            named = self.named(self.file_of(promise), answer)
            if named is None:
                return f"{promise.what}: the directory was not synced before the answer"
            durable = named
        if promise.offset:
            synced = self._synced(self.file_of(promise), promise.offset, answer)
            if synced is None:
                return f"{promise.what}: the bytes were not synced before the answer"
            durable = max(durable, synced)
        if promise.removes:
            return self._reason_of_removal(promise, answer)
        commits = (call for call in self.commits if promise.upload_id in call.text)
        if not self._committed(commits, durable, answer):
            return f"{promise.what}: no commit was synced between the bytes and the answer"
        return None

    def _reason_of_removal(self, promise: Promise, answer: SystemCall) -> str | None:
        """A row goes before its file: a crash in between must not leave a row without one."""
        file = self.log.of(self.file_of(promise))
        removals = [call for call in file if call.call.startswith("unlink")]
        before = [call.end for call in self.log.answers.values() if call.end < answer.begin]
        if not removals or not self._committed(self.commits, max(before), removals[0]):
            return f"{promise.what}: the file went before the commit was synced"
        return None

    def file_of(self, promise: Promise) -> Path:
        return self.data_dir / "uploads" / promise.upload_id[:2] / promise.upload_id

    def named(self, path: Path, before: SystemCall) -> int | None:
        """Return the line at which *path* and the directories above it had durable names."""
        made = [call for call in self.log.of(path) if call.makes_file or "mkdir" in call.call]
        syncs = [call for call in self.log.of(path.parent) if call.is_sync]
        found = [each for each in syncs if each.begin > made[0].end and each.end < before.begin]
        return found[0].end if found else None

    def _synced(self, path: Path, offset: int, before: SystemCall) -> int | None:
        """Return the line at which the bytes up to *offset* were durable."""
        calls = [call for call in self.log.of(path) if call.end < before.begin]
        writes = [call for call in calls if call.is_write and call.offset < offset]
        reached = 0
        for write in sorted(writes, key=lambda each: each.offset):
            assert write.offset <= reached, f"{path}: who wrote the bytes from {reached} on?"
            reached = max(reached, write.offset + write.result)
        assert reached >= offset, f"{path}: who wrote the bytes from {reached} on?"
        last = max(write.end for write in writes)
        return next((call.end for call in calls if call.is_sync and call.begin > last), None)

    def _committed(self, commits: Iterable[SystemCall], after: int, before: SystemCall) -> bool:
        """Tell whether one of *commits* began after a line and was synced before a call."""
        return any(
            sync.begin > commit.end and sync.end < before.begin
            for commit in commits
            if commit.begin > after
            for sync in self.commit_syncs
        )

    def checkpoints(self, promise: Promise) -> Iterator[bool]:
        """Say of each commit on the way to an answer whether all written before it was synced."""
        answer = self.log.answers[promise.request_id]
        start = max(each.end for each in self.log.answers.values() if each.end < answer.begin)
        data = self.log.of(self.file_of(promise))
        for before, sync in pairwise(self.commit_syncs):
            if start < before.end and sync.end < answer.begin:
                first = next(call for call in self.commits if call.begin > before.end)
                written = [call.end for call in data if call.is_write and call.end < first.begin]
                synced = [call.begin for call in data if call.is_sync and call.end < first.begin]
                yield max(synced, default=-1) > max(written)


@dataclass(frozen=True)
class Run:
    """What a traced server did, and what it promised."""

    log: StraceLog
    data_dir: Path
    promises: list[Promise]


def trace(directory: Path, *flags: str) -> Run:
    require("strace (and the right to use it)", can_trace())
    log = directory / "strace.log"
    flags = ("--checkpoint-bytes", str(CHECKPOINT), *flags)
    with (
        traced_server(directory, log, *flags) as server,
        Client(urlsplit(server.endpoint).netloc) as client,
    ):
        use_everything(client)
        use_side_by_side(client)
    return Run(StraceLog.read(log), directory / "data", client.promises)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trace(tmp_path_factory.mktemp("strict"))


def test_every_answer_comes_after_what_it_promises(strict: Run) -> None:
    assert len(strict.promises) > 50
    assert Checker(strict.log, strict.data_dir).broken(strict.promises) == {}


def test_checkpoints_sync_the_bytes_before_the_offset(strict: Run) -> None:
    (promise,) = [each for each in strict.promises if each.what.startswith("long chunk")]
    checkpoints = list(Checker(strict.log, strict.data_dir).checkpoints(promise))
    assert len(checkpoints) >= 2
    assert all(checkpoints)


@pytest.mark.parametrize("name", ["", "uploads", "state.sqlite3", "state.sqlite3-wal"])
def test_the_names_of_the_data_directory_are_durable_before_any_answer(
    strict: Run, name: str
) -> None:
    first = min(strict.log.answers.values(), key=lambda each: each.begin)
    assert Checker(strict.log, strict.data_dir).named(strict.data_dir / name, first) is not None


def test_missing_syncs_are_noticed(strict: Run) -> None:
    """Take from the log what a promise rests on: the syncs of its file, its name, its commit."""
    for promise in strict.promises:
        file = Checker(strict.log, strict.data_dir).file_of(promise)
        rests_on = [strict.data_dir / "state.sqlite3-wal"]
        rests_on += [file] if promise.offset else []
        rests_on += [file.parent] if promise.creates else []
        for path in rests_on:
            checker = Checker(strict.log.without_syncs(path), strict.data_dir)
            assert checker.broken([promise]) != {}, (path.name, promise)
            if path == file and promise.what.startswith("long chunk"):
                assert not any(checker.checkpoints(promise))


def test_relaxed_durability_is_noticed(tmp_path: Path) -> None:
    relaxed = trace(tmp_path, "--durability", "relaxed")
    broken = Checker(relaxed.log, relaxed.data_dir).broken(relaxed.promises)
    kept = [each.what for each in relaxed.promises if each.request_id not in broken]
    assert kept == []
