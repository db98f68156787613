"""
Raw requests, proper and broken ones, do no harm.

Here for some seconds with the same requests each time, with CI=true for a minute, and with
scripts/fuzz for as long as one likes.
"""

import os
import sys
import time

import pytest

from tests.fuzz.campaign import campaign, loops
from tests.fuzz.figures import Figures

_IN_CI = os.environ.get("CI") == "true"
#: Seconds, and rounds where those are fewer.
_LONG: tuple[float, int | None] = (60.0, None)
_SHORT: tuple[float, int | None] = (12.0, 3)


@pytest.mark.timeout(300)  # it ends by itself; to find the simplest example takes another minute
@pytest.mark.parametrize("loop", loops())
def test_no_request_does_harm(loop: str, capsys: pytest.CaptureFixture[str]) -> None:
    seconds, rounds = _LONG if _IN_CI else _SHORT
    figures, began = Figures(), time.monotonic()
    campaign(loop, figures, seconds=seconds, rounds=rounds)
    with capsys.disabled():
        print(f"\n{loop}, {time.monotonic() - began:.0f} s: {figures}", file=sys.stderr)
    assert figures.missing() == []


def test_requests_that_are_all_refused_are_not_enough() -> None:
    figures = Figures()
    figures.answers["PATCH", 400] = figures.standings["unreadable"] = 1000
    missing = figures.missing()
    assert "PATCH 204: 0 of 1000" in missing
    assert "GET 404: none" in missing
    assert "1000 of 1000 requests cannot be read" in missing
