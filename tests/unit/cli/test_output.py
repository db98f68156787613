"""Output is whole, harmless to terminals, and the same moment for people and scripts."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tusd_py.cli.output import (
    approximate_size,
    as_utf8_text,
    iso_time,
    local_time,
    print_table,
    printable,
)

ID = "0123456789abcdef" * 2


def test_table_in_a_pipe_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "NAME"), [(ID, "x" * 300), ("1", "写真.jpg"), ("2", "")])
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert first == f"ID{' ' * 30}  NAME"
    assert second == f"{ID}  {'x' * 300}"
    assert third == f"1{' ' * 31}  写真.jpg"
    assert fourth == "2"


@pytest.mark.parametrize("columns", ["20", "60", "200"])
def test_table_on_a_terminal_keeps_ids_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    print_table(("ID", "STATE", "NAME"), [(ID, "finished", "[b]" + "x" * 300)])
    shown = capsys.readouterr().out
    assert f"{ID}  finished  [b]xxx" in shown
    assert shown.count("x") == 300


@settings(deadline=None)  # a busy machine is no failure
@given(st.text())
def test_nothing_that_drives_a_terminal_is_printed(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


def test_direction_of_reading_cannot_be_turned() -> None:
    assert printable("photo\u202egpj.exe") == r"photo\u202egpj.exe"


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary())
def test_bytes_of_a_name_become_text_that_can_be_sent(name: bytes) -> None:
    as_utf8_text(name.decode("utf-8", "surrogateescape")).encode()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (3 * 2**50, "3.0 PiB"),
    ],
)
def test_sizes_are_given_roughly(size: int, text: str) -> None:
    assert approximate_size(size) == text


def test_times_are_iso_8601_for_scripts_and_local_for_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    try:
        assert iso_time(1_800_000_000.25) == "2027-01-15T08:00:00.250+00:00"
        assert local_time(1_800_000_000.25) == "2027-01-15 13:30:00 +0530"
        assert (iso_time(None), local_time(None)) == (None, "never")
    finally:
        monkeypatch.undo()
        time.tzset()
