"""Lets Hypothesis make conversations until one shows that the server does something wrong."""

import time
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.errors import FlakyFailure

from tests.fuzz.answers import Violation
from tests.fuzz.grammar import clients
from tests.fuzz.script import Conversation
from tests.fuzz.session import Session

#: Conversations of one round, which has a seed of its own.
ROUND = 100
#: How many seconds may go into finding the simplest example of what was found.
_SHRINKING = 60.0


@dataclass
class _Round:
    """
    One round's examples, as Hypothesis asks for them.

    Attributes:
        session: Plays them.
        until: When to play no more, in seconds of `time.monotonic`.
        shrink: Whether what showed something is played again.
        failed: The last example that showed something.
        found: What it showed.
        found_at: When the first one did.
    """

    session: Session
    until: float
    shrink: bool
    failed: tuple[Conversation, ...] | None = None
    found: Violation | None = None
    found_at: float | None = None

    def play(self, example: tuple[Conversation, ...]) -> None:
        """Play *example*, unless there is no time left; but what failed last has to fail again."""
        if self.found is not None and example == self.failed and not self.shrink:
            raise self.found
        now = time.monotonic()
        out_of_time = now > (self.until if self.found_at is None else self.found_at + _SHRINKING)
        if out_of_time and example != self.failed:
            return
        try:
            self.session.examine(example)
        except Violation as found:
            self.failed, self.found = example, found
            self.found_at = self.found_at or now
            raise


def fuzz(session: Session, seed: int, *, until: float = float("inf"), shrink: bool = True) -> None:
    """
    Play one round of conversations, always the same ones for the same *seed*.

    Args:
        session: The server.
        seed: Any number.
        until: When to play no more, in seconds of `time.monotonic`.
        shrink: Whether to play again what shows something, and look for the simplest such
            conversation.

    Raises:
        Violation: The server did what it must never do; the notes say how to see it again.
    """
    play = _Round(session, until, shrink).play

    @hypothesis.seed(seed)
    @_settings(shrink=shrink)
    @given(clients())
    def each(example: tuple[Conversation, ...]) -> None:
        play(example)

    try:
        each()
    except FlakyFailure as flaky:
        found = flaky.exceptions[0]
        found.add_note("The same bytes did not show it again: it depends on timing.")
        for note in getattr(flaky, "__notes__", ()):
            found.add_note(note)
        raise found from None
    session.check()


def replay(session: Session, blob: bytes) -> None:
    """Play the one example that *blob* stands for, which a failure told; raises likewise."""

    @hypothesis.reproduce_failure(hypothesis.__version__, blob)
    @_settings(shrink=False)
    @given(clients())
    def each(example: tuple[Conversation, ...]) -> None:
        session.examine(example)

    each()


def _settings(*, shrink: bool) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        print_blob=True,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
