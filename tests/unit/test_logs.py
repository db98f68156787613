"""What is logged of a failure is enough to find it, and nothing that is private."""

import json
import logging
from collections.abc import Iterator

import pytest

from tusd_py.logs import configure_logs

log = logging.getLogger("tusd_py.test")


@pytest.fixture(autouse=True)
def _unchanged_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    access = logging.getLogger("aiohttp.access")
    disabled = access.disabled
    yield
    root.handlers[:], access.disabled = handlers, disabled
    root.setLevel(level)


def fail(secret: str) -> None:
    token = secret * 2
    raise RuntimeError(f"of {len(token)} characters")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_traceback_shows_no_values_of_variables(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logs(log_format="json" if log_format == "json" else "text", level="info")
    try:
        fail("hunter")
    except RuntimeError:
        log.exception("A bug")
    text = capsys.readouterr().err
    assert "A bug" in text
    assert "of 12 characters" in text
    assert "in fail" in text or '"fail"' in text
    assert "hunter" not in text.replace('fail("hunter")', "")
    if log_format == "json":
        [line] = text.splitlines()
        assert json.loads(line)["event"] == "A bug"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nobody_forges_a_line_or_moves_the_cursor(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logs(log_format="json" if log_format == "json" else "text", level="info")
    trick = "a\x1b[2J\u202e\x85\r\n2026-01-01T00:00:00Z [error    ] forged"
    log.warning("name %s", trick, extra={"name_of_a_file": trick, "short": "\x1b[2J"})
    text = capsys.readouterr().err
    assert text.replace("\n", "").isprintable()
    assert [line for line in text.splitlines() if line.startswith("2026-01-01")] == []
    assert r"\x1b" in text or r"\u001b" in text
