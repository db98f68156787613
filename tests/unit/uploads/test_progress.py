"""What a series of looks says about how far an upload is, and how fast."""

from dataclasses import replace

import pytest

from tests.contracts.examples import an_upload
from tusd_py.protocol.upload import UploadState
from tusd_py.uploads.progress import End, Gauge, Progress, Sight

OPEN = an_upload(1, length=1000, epoch=7)


def held(offset: int, size: int, *, epoch: int = 7, length: int | None = 1000) -> Sight:
    """Return what is seen while somebody may be writing."""
    return Sight(replace(OPEN, offset=offset, epoch=epoch, length=length), size, is_held=True)


def let_go(offset: int, size: int) -> Sight:
    return replace(held(offset, size), is_held=False)


def received(*sights: Sight) -> list[int]:
    """Return the bytes that are shown after each of the *sights*."""
    gauge = Gauge()
    return [gauge.read(sight, 0.0).received for sight in sights]


def read(*steps: tuple[float, Sight]) -> Progress:
    """Return the progress after the last of the *steps*: a time, and what was seen then."""
    gauge = Gauge()
    return [gauge.read(sight, now) for now, sight in steps][-1]


# --- Which bytes count ---


def test_bytes_of_a_writer_who_began_at_the_offset_count_as_they_are_written() -> None:
    assert received(held(100, 100), held(100, 150), held(100, 150)) == [100, 150, 150]


def test_bytes_that_were_left_behind_do_not_count_while_they_are_written_over() -> None:
    """A size that stands still may be that of a chunk which was never committed."""
    assert received(let_go(100, 500), held(100, 500), held(300, 500)) == [100, 100, 300]


def test_bytes_count_once_a_writer_is_past_what_was_left_behind() -> None:
    assert received(let_go(100, 500), held(300, 501), held(300, 501)) == [100, 501, 501]


def test_bytes_beyond_the_offset_count_no_more_once_nobody_writes() -> None:
    assert received(held(100, 100), held(100, 500), let_go(100, 500)) == [100, 500, 100]


def test_bytes_that_another_writer_has_still_to_write_over_do_not_count() -> None:
    """The first writer was killed, and the next one has committed, between two looks."""
    sights = held(100, 100), held(100, 500), held(200, 500, epoch=8)
    assert received(*sights) == [100, 500, 200]


def test_a_chunk_that_is_taken_back_counts_no_more() -> None:
    """So it is where a checksum that came as a trailer did not match."""
    assert received(held(0, 0), held(400, 450), held(0, 0), held(0, 20)) == [0, 450, 0, 20]


def test_bytes_past_the_end_never_count() -> None:
    assert received(held(900, 900), held(900, 1500)) == [900, 1000]


def test_all_that_comes_counts_while_the_length_is_deferred() -> None:
    shown = read((0, held(0, 0, length=None)), (1, held(0, 5000, length=None)))
    assert (shown.received, shown.length, shown.seconds_left) == (5000, None, None)


# --- How fast ---


def test_no_rate_is_named_before_half_a_second() -> None:
    gauge = Gauge()
    assert gauge.read(held(0, 0), 10.0).rate is None
    assert gauge.read(held(0, 50), 10.25).rate is None
    third = gauge.read(held(0, 100), 10.5)
    assert (third.rate, third.seconds_left) == (200, 4.5)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    gauge = Gauge()
    for step in range(40):  # 100 a second for ten seconds
        gauge.read(held(0, step * 5, length=10_000), step * 0.25)
    for step in range(20):  # then 200 a second for five
        last = gauge.read(held(0, 200 + step * 50, length=10_000), 10 + step * 0.25)
    assert last.rate == pytest.approx(200, rel=0.05)


def test_a_rate_of_nothing_promises_nothing() -> None:
    steps = [(step * 0.25, held(0, 500)) for step in range(1, 40)]
    shown = read((0, held(0, 0)), *steps)
    assert (shown.rate, shown.seconds_left) == (0, None)


def test_bytes_that_come_to_light_at_once_are_no_speed() -> None:
    """Whoever begins to watch in the middle learns late of what was not committed."""
    steps = [(0.0, held(100, 900)), (1.0, held(100, 901)), (2.0, held(100, 903))]
    gauge = Gauge()
    shown = [gauge.read(sight, now) for now, sight in steps]
    assert [each.received for each in shown] == [100, 901, 903]
    assert [each.rate for each in shown] == [None, None, 2]


def test_lost_bytes_are_no_speed_either() -> None:
    steps = [(0.0, held(0, 0)), (1.0, held(0, 900)), (2.0, let_go(0, 900)), (3.0, held(0, 900))]
    assert read(*steps[:3]).rate is None
    assert read(*steps).rate == 0


def test_requests_one_after_the_other_have_a_rate_together() -> None:
    steps = [(0.0, held(0, 0)), (1.0, let_go(100, 100)), (2.0, held(100, 200))]
    assert read(*steps).rate == 100


# --- The end ---


def test_a_finished_upload_is_all_there() -> None:
    whole = replace(OPEN, offset=1000, state=UploadState.FINISHED)
    shown = read((0, held(0, 0)), (1, Sight(whole, 1000, end=End.FINISHED)))
    assert shown == Progress(
        1000, 1000, 1000, 1000, 0.0, state="finished", is_held=False, end=End.FINISHED
    )


@pytest.mark.parametrize("end", [End.TERMINATED, End.EXPIRED, End.FAILED])
def test_the_last_that_was_known_stays_after_any_other_end(end: End) -> None:
    gone = None if end is End.TERMINATED else OPEN
    shown = read((0, held(0, 0)), (1, held(100, 150)), (2, Sight(gone, end=end)))
    assert shown == Progress(100, 150, 1000, None, None, state=end, is_held=False, end=end)
