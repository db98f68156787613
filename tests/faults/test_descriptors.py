"""No descriptor is closed twice: by the second time it may be the file of somebody's upload."""

import re
from pathlib import Path

from tests.clients.conftest import require
from tests.clients.running_server import ask
from tests.faults.strace_log import can_trace, traced_server

CLOSED = re.compile(r"close\(\d+<.*\) += 0$", re.MULTILINE)
CLOSED_TWICE = re.compile(r"^.*close\(.*EBADF.*$", re.MULTILINE)


def test_workers_that_end_close_every_descriptor_once(tmp_path: Path) -> None:
    require("strace (and the right to use it)", can_trace())
    log = tmp_path / "strace.log"
    with traced_server(tmp_path, log, "--workers", "2", calls="close") as server:
        for _ in range(2):
            assert ask("OPTIONS", server.endpoint).status == 204
            server.reload()
    text = log.read_text()
    assert len(CLOSED.findall(text)) > 100
    assert CLOSED_TWICE.findall(text) == []
