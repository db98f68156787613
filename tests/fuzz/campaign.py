"""Fuzzes round after round, with one set of settings after the other, until the time is over."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any, Final

from tests.fuzz.answers import Violation
from tests.fuzz.figures import Figures
from tests.fuzz.fuzzer import fuzz, replay
from tests.fuzz.judge import PUBLIC_URL
from tests.fuzz.session import LoopFactory, Session

#: What the server under test is started with, in turn.
PROFILES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {
        "metadata": "lenient",
        "head_without_version": "answer",
        "repeated_parts": True,
        "public_url": PUBLIC_URL,
        "cors_origins": ("https://example.org",),
        "cors_credentials": True,
        "durability": "relaxed",
        "buffer_budget": 8 * 2**20,
        "checkpoint_bytes": 100_000,
        "metrics": True,
        "max_connections_per_address": 40,
        "max_open_uploads_per_address": 100,
    },
)


def loops() -> dict[str, LoopFactory]:
    """Return every event loop that the server can run on here, by its name."""
    found: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop  # noqa: PLC0415 - it is not to be had everywhere
    except ImportError:
        return found
    return {**found, "uvloop": uvloop.new_event_loop}


def campaign(
    loop: str,
    figures: Figures,
    *,
    seconds: float,
    rounds: int | None = None,
    seed: int = 0,
    tell: Callable[[int], object] = lambda _: None,
) -> None:
    """
    Fuzz.

    Args:
        loop: The name of the event loop of server and clients.
        figures: Counts what is reached.
        seconds: After which to end.
        rounds: After how many rounds to end, if that comes first.
        seed: Of the first round; each further one adds one to it.
        tell: Is called with the seed of each round.

    Raises:
        Violation: The server did what it must never do; the notes say what was sent, and how to
            see it again.
    """
    until = time.monotonic() + seconds
    for each in count(seed):
        if time.monotonic() > until or each - seed == rounds:
            return
        tell(each)
        try:
            with closing(_session(loop, each, figures)) as session:
                fuzz(session, each, until=until)
        except Violation as found:
            found.add_note(_how_to_repeat(found, loop, each))
            raise


def repeat(loop: str, seed: int, blob: bytes) -> None:
    """Play the one example again that a campaign failed on; raises likewise."""
    with closing(_session(loop, seed, Figures())) as session:
        replay(session, blob)


def _session(loop: str, seed: int, figures: Figures) -> Session:
    return Session(loops()[loop], figures, **PROFILES[seed % len(PROFILES)])


def _how_to_repeat(found: BaseException, loop: str, seed: int) -> str:
    notes = "\n".join(getattr(found, "__notes__", ()))
    blob = re.search(r"reproduce_failure\('[^']*', b'([^']*)'\)", notes)
    command = f"scripts/fuzz --loop {loop} --seed {seed}"
    return f"Again: {command} --replay {blob[1]}" if blob else f"Again: {command}"
