"""Sizes and times mean what people mean by them, and come back as they went."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tusd_py.config.units import parse_duration, parse_size, render_duration, render_size

LARGEST = 2**63 - 1
CENTURY = 36_500 * 86_400


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("5GiB", 5 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("100 MB", 100_000_000),
        ("100mb", 100_000_000),
        ("64kib", 64 * 1024),
        ("1kB", 1000),
        ("12B", 12),
        (" 1048576 ", 1048576),
        ("0.1KiB", 102),
        (0, 0),
        (4096, 4096),
        (4096.0, 4096),
    ],
)
def test_size_is_read(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "is not a size; write a number with a unit, such as 5GiB"),
        ("5 gigs", "unknown unit 'gigs'"),
        ("five", "is not a size"),
        ("5g", "write 5GiB (powers of 1024) or 5GB (powers of 1000)"),
        ("1,5GiB", "is not a size"),
        ("-1", "is not a size"),
        (-1, "must not be negative"),
        ("1.5", "not a whole number of bytes"),
        (1.5, "not a whole number of bytes"),
        (float("nan"), "not a whole number of bytes"),
        (True, "is not a size"),
        (None, "is not a size"),
        ("9000000PiB", "too large"),
        ("9" * 5000, "is not a size"),
    ],
)
def test_what_is_no_size_is_refused_with_a_remedy(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|must|could) ") as caught:
        parse_size(written)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (1000, "1kB"),
        (1536 * 2**20, "1.5GiB"),
        (256 * 2**20, "256MiB"),
        (100_000_000, "100MB"),
        (LARGEST, f"{LARGEST}B"),
    ],
)
def test_size_is_written_as_people_write_it(size: int, written: str) -> None:
    assert render_size(size) == written


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, LARGEST) | st.integers(0, 2**20).map(lambda n: n * 2**30))
def test_size_survives_being_written_and_read(size: int) -> None:
    assert parse_size(render_size(size)) == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("24h", 86_400),
        ("90s", 90),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("7d", 604_800),
        ("1w", 604_800),
        ("90", 90),
        ("0.25", 0.25),
        (2, 2),
        (0.1, 0.1),
    ],
)
def test_time_is_read(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "is empty"),
        ("24 hours", "write a number with a unit (ms, s, m, h, d or w), such as 90s, 24h"),
        ("soon", "is not a time"),
        ("1:30", "is not a time"),
        ("1h1h", "unit 'h' twice"),
        ("-5s", "is not a time"),
        (-5, "must not be negative"),
        (float("inf"), "is not a time"),
        (False, "is not a time"),
        ("36501d", "too long"),
    ],
)
def test_what_is_no_time_is_refused_with_a_remedy(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|must) ") as caught:
        parse_duration(written)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0s"),
        (0.5, "500ms"),
        (90.0, "90s"),
        (60.0, "1m"),
        (5400.0, "90m"),
        (86_400.0, "24h"),
        (172_800.0, "2d"),
        (3661.0, "1h1m1s"),
        (90_061.0, "1d1h1m1s"),
        (0.1234567, "0.1234567s"),
    ],
)
def test_time_is_written_as_people_write_it(seconds: float, written: str) -> None:
    assert render_duration(seconds) == written


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.floats(0, CENTURY, allow_subnormal=False)
    | st.integers(0, CENTURY).map(float)
    | st.integers(0, 10**6).map(lambda n: n / 1000)
)
@example(1e-07)
@example(5e-324)
def test_time_survives_being_written_and_read(seconds: float) -> None:
    assert parse_duration(render_duration(seconds)) == seconds


@settings(deadline=None)  # a busy machine is no failure
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error).startswith(("is ", "has ", "must ", "could "))  # noqa: PT017
