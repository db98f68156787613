"""The fuzzer notices: a server with a defect does not get past it."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import pytest

from tests.fuzz import defects
from tests.fuzz.answers import Violation
from tests.fuzz.campaign import campaign, repeat
from tests.fuzz.defects import Defect
from tests.fuzz.figures import Figures
from tests.fuzz.fuzzer import fuzz
from tests.fuzz.session import Session

#: Seconds after which a planted defect counts as not found.
ENOUGH = 30.0
#: Seconds that a server may take, and one whose defect shows by nothing happening.
LIMIT, SHORT_LIMIT = 8.0, 2.0


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    for each in defects.kept:
        if hasattr(each, "close"):
            each.close()
    defects.kept.clear()


#: Requests and answers are out of step, or somebody acted on what was no request.
OUT_OF_STEP = (
    "from our routes|nobody asked for|is named|rather than|for a request that is|got [24]0"
)


@pytest.mark.parametrize(
    ("name", "seed", "sign"),
    [
        ("an_exception", 1, "a 500: .*internal_error"),
        ("a_hang", 5, "the server hangs"),
        ("an_unread_body", 4, OUT_OF_STEP),
        ("a_smuggled_request", 5, OUT_OF_STEP),
        ("lenient_line_ends", 0, OUT_OF_STEP),
        ("trailers_as_headers", 0, "without an offset|cannot be|rather than"),
        ("an_altered_byte", 4, "other bytes"),
        ("an_offset_that_runs_ahead", 0, "the offset is .*, which cannot be"),
        ("an_uninvited_hint", 1, "an interim answer that was not asked for"),
        ("an_echo", 9, "no field line|without a name"),
        ("a_task_left_behind", 0, "left behind: .*sleep"),
        ("a_descriptor_left_open", 0, "left behind: descriptor of /dev/null"),
        ("buffers_lent_for_good", 0, "left behind: .*large buffers"),
        ("a_hold_for_good", 5, "hang|a hold on"),
        ("a_file_left_behind", 0, "files of uploads that are gone"),
    ],
)
def test_is_found(name: str, seed: int, sign: str) -> None:
    """It is, sooner or later, whatever the seed; this one shows it soon."""
    assert re.search(sign, find(getattr(defects, name), seed, sign), re.DOTALL)


def test_is_told_with_the_bytes_and_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(*arguments: Any, **options: Any) -> Session:
        return Session(*arguments, defect=defects.an_exception, **options)

    monkeypatch.setattr("tests.fuzz.campaign.Session", defective)
    with pytest.raises(Violation) as found:
        campaign("asyncio", Figures(), seconds=ENOUGH, seed=1)
    notes = "\n".join(found.value.__notes__)
    assert "sent: b'" in notes
    assert "to be read as: " in notes
    again = re.search("Again: scripts/fuzz --loop asyncio --seed ([0-9]+) --replay (.+)", notes)
    assert again is not None
    with pytest.raises(Violation, match="a 500"):
        repeat("asyncio", int(again[1]), again[2].encode())


def find(defect: Defect, seed: int, sign: str) -> str:
    """Fuzz a server with *defect*, and return what was found; empty where that is nothing."""
    until = time.monotonic() + ENOUGH
    limit = SHORT_LIMIT if "hang" in sign or "left behind" in sign else LIMIT
    with closing(Session(asyncio.new_event_loop, Figures(), limit=limit, defect=defect)) as session:
        for each in count(seed):
            if time.monotonic() > until:
                break
            try:
                fuzz(session, each, until=until, shrink=False)
            except Violation as found:
                return str(found)
    return ""
