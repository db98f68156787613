"""Remembers the URLs of unfinished uploads, so that the next call goes on where one stopped."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tusclient.storage.filestorage import FileStorage

from tusd_py.cli.output import Failure, say


def default_file(environ: Mapping[str, str]) -> Path:
    """Return where the URLs are kept: among the user's state (XDG Base Directory)."""
    state_home = Path(environ.get("XDG_STATE_HOME", ""))
    if not state_home.is_absolute():  # as when it is not set
        try:
            state_home = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise Failure(
                "no_home",
                "there is no home directory to remember unfinished uploads in; "
                "set XDG_STATE_HOME to a directory for that",
            ) from error
    return state_home / "tusd-py" / "uploads.json"


def key_of(server: str, path: Path, stat: os.stat_result, metadata: Mapping[str, str]) -> str:
    """
    Return what an upload of *path* as it is now to *server* is remembered by.

    tuspy's own fingerprint (the size and the first 64 KiB) is the same for files that only differ
    further on, and for all servers: an upload could go on with bytes of another file. A changed
    file has another key, and is uploaded anew.
    """
    facts = [server, str(path.resolve()), stat.st_size, stat.st_mtime_ns, sorted(metadata.items())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


class UploadUrls:
    """
    URLs by key in a file that several processes may use at once.

    A URL is all that is needed to write to an upload, so only the user may read them. A file that
    is damaged, as by a crash in the middle of writing, is put aside. Whatever cannot be read or
    kept costs a resumption and no upload: that is said once, and work goes on.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._works = True

    def find(self, key: str) -> str | None:
        """Return the URL remembered by *key*, if any."""
        found: list[str | None] = [None]
        with self._passing_over_failures(), self._storage() as storage:
            found.append(storage.get_item(key))
        return found[-1]

    def remember(self, key: str, url: str) -> None:
        """Keep *url* for the next call."""
        with self._passing_over_failures(), self._storage() as storage:
            storage.set_item(key, url)

    def forget(self, key: str) -> None:
        """Drop what is remembered by *key*; nothing happens when there is nothing."""
        with self._passing_over_failures(), self._storage() as storage:
            storage.remove_item(key)

    @contextmanager
    def _passing_over_failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._works:
                say(
                    f"cannot remember uploads in {self._file}: {(error.strerror or '').lower()}; "
                    "one that is interrupted will start anew"
                )
            self._works = False

    @contextmanager
    def _storage(self) -> Iterator[FileStorage]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # TinyDB rewrites its whole file and locks nothing; it also caches what it has read, so
            # each use opens it anew.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._put_aside_if_damaged()
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            storage = FileStorage(self._file)
            try:
                yield storage
            finally:
                storage.close()
        finally:
            os.close(lock)

    def _put_aside_if_damaged(self) -> None:
        try:
            text = self._file.read_text(encoding="utf-8")
            if not text or isinstance(json.loads(text), dict):
                return
        except FileNotFoundError:
            return
        except ValueError:
            pass  # neither UTF-8 nor JSON
        self._file.replace(self._file.with_suffix(".damaged"))
