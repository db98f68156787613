"""
A published file is durable before the state says so, and the upload's own bytes go after that.

The server runs under strace. Each rule is held against the log of its calls, and is noticed to be
broken where the sync that it rests on is taken from the log.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.conftest import require
from tests.clients.running_server import ask
from tests.faults.strace_log import StraceLog, SystemCall, can_trace, traced_server

_CALLS = (
    "openat,mkdir,mkdirat,link,linkat,unlink,unlinkat,pwrite64,write,writev,sendto,sendmsg,"
    "copy_file_range,sendfile,fchmod,fdatasync,fsync"
)
CONTENT = b"to be published"
#: "filename a.txt"
HEADERS = {
    "Upload-Length": str(len(CONTENT)),
    "Upload-Metadata": "filename YS50eHQ=",
    "Content-Type": "application/offset+octet-stream",
    "X-Request-ID": "published",
}


@dataclass(frozen=True)
class Run:
    """What a traced server did when it published one upload with a sidecar, and moved it there."""

    log: StraceLog
    data_dir: Path
    published: Path
    upload_id: str

    def broken(self, log: StraceLog, *, copied: bool) -> list[str]:
        """Return the rules that *log* breaks."""
        parent, staging = self.published / "in", self.published / ".tusd-py"
        staged = staging / self.upload_id
        link = self._link(log, "a.txt")
        wal = log.of(self.data_dir / "state.sqlite3-wal")
        commit = next(call for call in wal if call.begin > link.end and "in/a.txt" in call.text)
        answer = log.answers["published"]
        removal = next(call for call in log.of(self._data) if call.call.startswith("unlink"))
        rules = {
            "the sidecar is there before the file": self._link(log, "a.txt.info").end < link.begin,
            "its bytes are durable before it is": self._synced(
                log, staging / f"{self.upload_id}.info", -1, self._link(log, "a.txt.info")
            ),
            "the directory's name is durable before the commit": self._synced(
                log, self.published, self._made(log, "in").end, commit
            ),
            "the file's name is durable before the commit": self._synced(
                log, parent, link.end, commit
            ),
            "the commit is durable before the upload's bytes go": self._synced(
                log, self.data_dir / "state.sqlite3-wal", commit.end, removal
            ),
            "the commit is durable before the answer": self._synced(
                log, self.data_dir / "state.sqlite3-wal", commit.end, answer
            ),
        }
        if not copied:
            readable = next(call for call in log.of(self._data) if call.call == "fchmod")
            rules["its mode is durable before it is found"] = self._synced(
                log, self._data, readable.end, link
            )
        if copied:
            written = [call.end for call in log.of(staged) if call.is_write]
            rules["the copy is durable before it has its name"] = self._synced(
                log, staged, max(written), link
            )
            rules["the copy can be told after a power cut"] = self._synced(
                log, staging, max(written), link
            )
        return [rule for rule, holds in rules.items() if not holds]

    def rests_on(self, *, copied: bool) -> Iterator[Path]:
        yield self.published
        yield self.published / "in"
        yield self.published / ".tusd-py" / f"{self.upload_id}.info"
        yield self.data_dir / "state.sqlite3-wal"
        if not copied:
            yield self._data
        if copied:
            yield self.published / ".tusd-py"
            yield self.published / ".tusd-py" / self.upload_id

    @property
    def _data(self) -> Path:
        return self.data_dir / "uploads" / self.upload_id[:2] / self.upload_id

    def _link(self, log: StraceLog, name: str) -> SystemCall:
        (call,) = (
            each for each in log.calls if each.call == "linkat" and f'"{name}", 0)' in each.text
        )
        return call

    def _made(self, log: StraceLog, name: str) -> SystemCall:
        return next(
            each for each in log.calls if each.call == "mkdirat" and f'"{name}"' in each.text
        )

    def _synced(self, log: StraceLog, path: Path, after: int, before: SystemCall) -> bool:
        return any(
            call.is_sync and call.begin > after and call.end < before.begin for call in log.of(path)
        )


def trace(directory: Path, published: Path) -> Run:
    require("strace (and the right to use it)", can_trace())
    log = directory / "strace.log"
    flags = ["--publish", "move", "--publish-directory", str(published), "--publish-sidecar"]
    flags += ["--publish-path", "in/{filename}"]
    with traced_server(directory, log, *flags, calls=_CALLS) as server:
        created = ask("POST", server.endpoint, HEADERS, CONTENT)
        assert created.status == 201
    assert (published / "in" / "a.txt").read_bytes() == CONTENT
    upload_id = created.headers["Location"].rpartition("/")[2]
    return Run(StraceLog.read(log), directory / "data", published, upload_id)


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """Give a place for a directory that is not on the same file system as the data."""
    memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes a private one inside
    is_other = memory.is_dir() and memory.stat().st_dev != tmp_path.stat().st_dev
    require("a second file system", is_other)
    with tempfile.TemporaryDirectory(prefix="tusd-py-", dir=memory) as name:
        yield Path(name) / "published"


@pytest.mark.parametrize("copied", [False, True], ids=["linked", "copied"])
def test_nothing_is_said_before_it_is_durable(
    tmp_path: Path, other_file_system: Path, copied: bool
) -> None:
    run = trace(tmp_path, other_file_system if copied else tmp_path / "published")
    assert bool(re.search("each is copied", (tmp_path / "server.log").read_text())) is copied
    assert run.broken(run.log, copied=copied) == []
    for path in run.rests_on(copied=copied):
        assert run.broken(run.log.without_syncs(path), copied=copied), path
