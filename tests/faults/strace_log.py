"""Runs the server under strace, and reads the system calls back in the order they were made."""

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import pytest

from tests.clients.running_server import RunningServer

#: Everything that makes or removes a name, changes a file, makes it durable, or sends an answer.
_CALLS = (
    "openat,mkdir,mkdirat,unlink,unlinkat,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,"
    "copy_file_range,sendfile,ftruncate,fdatasync,fsync,sync_file_range,msync"
)
_WRITES = {"pwrite64", "pwritev", "pwritev2", "write", "writev", "copy_file_range", "sendfile"}
_SYNCS = {"fdatasync", "fsync"}
_SENDS = {"write", "writev", "sendto", "sendmsg"}
_UNFINISHED = " <unfinished ...>"
_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. \w+ resumed>|(?P<call>\w+)\()(?P<rest>.*)")
_RESULT = re.compile(r"\)\s+= (-?\d+)(?:<.*>)?(?: E\w+ \(.*\))?(?: \(INJECTED\))?$")
_FIRST_FILE = re.compile(r"\d+<(/[^>]*)>")
_NAME = re.compile(r'^(?:AT_FDCWD<[^>]*>, )?"((?:[^"\\]|\\.)*)"')
_LAST_NUMBER = re.compile(r", (\d+)\)\s+= ")
_COPY = re.compile(r"^.*?, [^,]*, \d+<(/[^>]*)>, \[(\d+)\]")
_REQUEST_ID = re.compile(r"\\r\\nX-Request-ID: ([\w.-]+)\\r\\n")
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class SystemCall:
    """
    One call that succeeded.

    Attributes:
        begin: The number of the log's line at which it was made.
        end: The line at which it had returned; whatever begins later came after it.
        call: Its name.
        path: The file that it changed, named or flushed.
        offset: Where in the file it wrote; 0 for other calls.
        result: What it returned: of writes, the bytes written.
        text: Its arguments as strace shows them.
    """

    begin: int
    end: int
    call: str
    path: str
    offset: int
    result: int
    text: str

    @property
    def is_sync(self) -> bool:
        return self.call in _SYNCS

    @property
    def is_write(self) -> bool:
        return self.call in _WRITES and self.path != ""

    @property
    def makes_file(self) -> bool:
        return self.call == "openat" and "O_CREAT" in self.text


class StraceLog:
    """What a server did, call by call."""

    def __init__(self, calls: list[SystemCall]) -> None:
        self.calls = calls

    @classmethod
    def read(cls, file: Path) -> Self:
        """
        Read what strace wrote.

        Its lines are in order: a thread stops before and after each call until strace has noted
        that, so a call that had returned before another was made has its line before that one's.
        """
        calls = []
        pending: dict[str, tuple[int, str, str]] = {}
        for number, line in enumerate(file.read_text(errors="replace").splitlines()):
            found = _LINE.match(line)
            if found is None:
                continue  # an exit, or a signal
            thread, rest = found["thread"], found["rest"]
            begin, call, before = pending.pop(thread, (number, found["call"] or "", ""))
            if rest.endswith(_UNFINISHED):
                pending[thread] = (begin, call, rest.removesuffix(_UNFINISHED))
                continue
            if (done := _system_call(begin, number, call, before + rest)) is not None:
                calls.append(done)
        return cls(sorted(calls, key=lambda each: each.begin))

    def without_syncs(self, path: Path) -> "StraceLog":
        """Return the log as if nobody had ever synced one file or directory."""
        return StraceLog(
            [each for each in self.calls if not (each.is_sync and each.path == str(path))]
        )

    @cached_property
    def answers(self) -> dict[str, SystemCall]:
        """Return the call that sent each answer, by its request's id."""
        found: dict[str, SystemCall] = {}
        for call in self.calls:
            if call.call in _SENDS and '"HTTP/1.1 2' in call.text:
                for request_id in _REQUEST_ID.findall(call.text):
                    found.setdefault(request_id, call)
        return found

    def of(self, path: Path) -> list[SystemCall]:
        """Return what was done to one file or directory."""
        return self._by_path.get(str(path), [])

    @cached_property
    def _by_path(self) -> dict[str, list[SystemCall]]:
        sorted_out: dict[str, list[SystemCall]] = {}
        for call in self.calls:
            sorted_out.setdefault(call.path, []).append(call)
        return sorted_out


def _system_call(begin: int, end: int, call: str, text: str) -> SystemCall | None:
    result = _RESULT.search(text)
    if result is None or int(result[1]) < 0:
        return None
    offset = 0
    if call == "copy_file_range" and (copied := _COPY.match(text)):
        path, offset = copied[1], int(copied[2])
    elif (named := _NAME.match(text)) and call not in _SENDS:
        path = named[1]
    else:
        file = _FIRST_FILE.match(text)
        path = file[1] if file else ""
    if call == "pwrite64" and (last := _LAST_NUMBER.search(text, len(text) - 60)):
        offset = int(last[1])
    return SystemCall(begin, end, call, path, offset, int(result[1]), text)


def can_trace() -> bool:
    """Tell whether strace is there, and may trace a program that it started."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    command = [strace, "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def traced_server(
    directory: Path,
    log: Path,
    *flags: str,
    calls: str = _CALLS,
    tampering: tuple[str, ...] = (),
) -> Iterator[RunningServer]:
    """
    Run the server under strace; once the context is left, *log* is whole.

    `RunningServer` starts `sys.executable`, so here that is a script which runs Python traced.
    *calls* are those that it logs; *tampering* are options of strace that make calls fail.
    """
    strace = ["strace", "-D", "-f", "-y", "--seccomp-bpf", "-s", "4096", "-e", f"trace={calls}"]
    python = directory / "traced-python"
    command = shlex.join([*strace, *tampering, "-o", str(log), sys.executable])
    process = directory / "traced-process"
    python.write_text(f'#!/bin/sh\necho $$ > {shlex.quote(str(process))}\nexec {command} "$@"\n')
    python.chmod(0o755)
    server = RunningServer(directory, *flags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        server.start()
    try:
        yield server
    finally:
        server.stop()
        _await_end(log, process.read_text().strip())


def _await_end(log: Path, process: str) -> None:
    """Wait for strace, which goes on writing for a moment after the server is gone."""
    deadline = time.monotonic() + _PATIENCE
    last_line = re.compile(rf"^{process} +\+\+\+ ", re.MULTILINE)  # short numbers are padded
    while not last_line.search(log.read_text(errors="replace")):
        assert time.monotonic() < deadline, "strace did not end its log"
        time.sleep(0.05)
