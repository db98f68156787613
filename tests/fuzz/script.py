"""What a client does on one connection: plain values, for Hypothesis to make and to shrink."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tests.fuzz.drafts import VICTIM, Draft


@dataclass(frozen=True)
class Spot:
    """
    A place in a stream.

    Attributes:
        number: How many bytes from the start; with *after*, how many of those.
        after: Bytes that it comes after: the end of a line, or of a head.
        away: How far from there.
    """

    number: int
    after: bytes = b""
    away: int = 0

    def of(self, stream: bytes) -> int:
        """Return where it is in *stream*."""
        if not self.after:
            return self.number % (len(stream) + 1)
        places = [match.end() for match in re.finditer(re.escape(self.after), stream)] or [0]
        return min(max(0, places[self.number % len(places)] + self.away), len(stream))


@dataclass(frozen=True)
class Damage:
    """So many bytes are replaced by others."""

    where: Spot
    count: int
    by: bytes

    def done_to(self, stream: bytes) -> bytes:
        place = self.where.of(stream)
        return stream[:place] + self.by + stream[place + self.count :]


@dataclass(frozen=True)
class Burst:
    """
    Requests that are sent without waiting for an answer.

    Attributes:
        drafts: What they are meant to be.
        damage: What happens to their bytes.
        cuts: Where their bytes are split into segments.
        pause: How long the client waits after each segment, in seconds.
    """

    drafts: tuple[Draft, ...]
    damage: tuple[Damage, ...] = ()
    cuts: tuple[Spot, ...] = ()
    pause: float = 0.0

    def segments(self, stream: bytes) -> list[bytes]:
        places = sorted({0, *(cut.of(stream) for cut in self.cuts), len(stream)})
        return [stream[a:b] for a, b in pairwise(places)]


@dataclass(frozen=True)
class Probe:
    """A request on another connection, after so many segments."""

    after: int
    verb: Literal["HEAD", "DELETE"]
    upload: str


@dataclass(frozen=True)
class Ending:
    """
    How the connection ends.

    Attributes:
        kind: patient: after the last answer; finish, reset: with a FIN or RST in the middle of
            the last burst; stay: not before somebody else asked for the uploads.
        where: Where the last burst breaks off.
    """

    kind: Literal["patient", "finish", "reset", "stay"] = "patient"
    where: Spot = Spot(0)


@dataclass(frozen=True)
class Conversation:
    """All that a client sends on one connection."""

    bursts: tuple[Burst, ...]
    ending: Ending = Ending()
    probes: tuple[Probe, ...] = ()

    @property
    def uploads(self) -> set[str]:
        """Return the names of the uploads that it is about."""
        drafts = [draft for burst in self.bursts for draft in burst.drafts]
        named = {draft.upload for draft in drafts}.union(*(draft.parts for draft in drafts))
        named |= {probe.upload for probe in self.probes}
        if any(draft.hides for draft in drafts):
            named.add(VICTIM)
        return named - {""}
