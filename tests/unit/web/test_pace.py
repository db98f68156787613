"""Only whole windows of waiting are judged, by what came in them or before."""

import math

from tusd_py.web.pace import BodyLimits, Pace


def a_pace(min_rate: int = 100, window: float = 10.0) -> Pace:
    return Pace(BodyLimits(idle_timeout=60, min_rate=min_rate, min_rate_window=window))


def test_a_window_is_left_to_begin_with() -> None:
    assert a_pace().left() == 10
    assert a_pace().left(waited=4, came=999) == 6


def test_none_is_left_when_it_is_over_and_too_little_came() -> None:
    pace = a_pace()
    pace.note(6, 400)
    assert pace.left(waited=3, came=500) == 1
    assert pace.left(waited=4, came=599) == 0
    pace.note(5, 500)
    assert pace.left() < 0


def test_all_time_is_left_once_enough_came() -> None:
    pace = a_pace()
    pace.note(1, 1000)
    assert pace.left() == pace.left(waited=100) == math.inf


def test_the_next_window_begins_with_nothing() -> None:
    pace = a_pace()
    pace.note(10, 5000)
    assert pace.left() == 10
    pace.note(10, 999)
    assert pace.left() == 0


def test_what_came_while_nobody_waited_counts() -> None:
    pace = a_pace()
    pace.note(9, 0)
    pace.note(0, 1000)
    assert pace.left() == math.inf


def test_time_in_which_nobody_waited_does_not() -> None:
    pace = a_pace()
    for _ in range(1000):
        pace.note(0, 0)
    assert pace.left() == 10


def test_without_a_rate_all_time_is_left() -> None:
    pace = a_pace(min_rate=0)
    for _ in range(3):
        pace.note(1000, 0)
        assert pace.left(waited=1000) == math.inf
