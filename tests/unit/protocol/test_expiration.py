"""When an upload expires, and how that is written."""

import re
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusd_py.protocol.expiration import Expiration, format_expires

IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d"
    r" (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
CENTURIES = 36_500 * 86_400.0


@pytest.mark.parametrize(
    ("after", "sliding", "expected"),
    [(60.0, True, 260.0), (60.0, False, 160.0), (None, True, None), (None, False, None)],
)
def test_time_counts_from_the_last_byte_or_from_creation(
    after: float | None, sliding: bool, expected: float | None
) -> None:
    assert Expiration(after, sliding).expires_at(created_at=100.0, now=200.0) == expected


def test_example_of_rfc_9110_is_written_as_there() -> None:
    assert format_expires(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.floats(0, 2_000_000_000 + CENTURIES) | st.integers(0, 4_000_000_000))
def test_date_is_an_imf_fixdate_of_that_second(moment: float) -> None:
    written = format_expires(moment)
    assert IMF_FIXDATE.fullmatch(written)
    assert abs(parsedate_to_datetime(written).timestamp() - moment) < 1
