"""How one upload is made: its kind, its size, and the manners of its client."""

import math
import random
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.faults.soak.contents import CELL

KIB = 1024
MIB = 1024 * KIB


class Kind(StrEnum):
    """Ways to upload, by what is special about each."""

    PLAIN = "one PATCH"
    CHUNKS = "many PATCHes"
    WITH_CREATION = "bytes with the creation"
    DEFERRED = "length declared at the end"
    CHECKSUM = "checksum in the head"
    TRAILER = "checksum in a trailer"
    CHUNKED = "chunked bodies"
    PARTS = "parts, joined"
    EMPTY = "no bytes"
    TERMINATED = "terminated half-way"
    TWICE = "each PATCH sent twice"
    HUNG = "lines that hang"


#: Kinds whose uploads may be very large.
LARGE_KINDS = (Kind.PLAIN, Kind.WITH_CREATION, Kind.CHUNKS, Kind.PARTS)
_ALGORITHMS = ("sha1", "md5", "sha256", "crc32")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the largest are, in bytes, and how many of them there may be at a time."""

    least: int = 50 * MIB
    most: int = 200 * MIB
    at_once: int = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One upload.

    Attributes:
        kind: What is special about it.
        length: Its bytes.
        first: Bytes that come with the creation; None where there is no body at all.
        step: The most bytes in one PATCH.
        deferred: Whether the length is declared only at the end.
        told_last: Whether it is declared by a PATCH without bytes.
        algorithm: The checksum that every PATCH has, in the head or, if chunked, in a trailer.
        spoiled: How many of its PATCHes say a checksum that is not theirs.
        chunked: Whether bodies are chunked, so that no head says how long they are.
        pace: The most bytes that the client sends in a second; None for as fast as it can.
        twice: How many of its PATCHes are sent on two connections.
        hung: How many of its PATCHes stop in the middle, on a line that stays open.
        until: The offset from which on it is terminated; None for never.
        part: Whether it is one of several, to be joined.
    """

    kind: Kind
    length: int
    first: int | None = None
    step: int = 2**63
    deferred: bool = False
    told_last: bool = False
    algorithm: str | None = None
    spoiled: float = 0.0
    chunked: bool = False
    pace: float | None = None
    twice: float = 0.0
    hung: float = 0.0
    until: int | None = None
    part: bool = False

    @property
    def is_large(self) -> bool:
        """Tell whether it is one of those of which there are only a few at a time."""
        return self.length > 16 * MIB


def draw(kind: Kind, rng: random.Random, sizes: Sizes) -> Plan:  # noqa: PLR0911 - one a kind
    """Return an upload of that *kind*."""
    length, pace = draw_length(rng), rng.choice([None, None, 8 * MIB, 2 * MIB])
    if kind in LARGE_KINDS and rng.random() < 0.05:
        length, pace = rng.randrange(sizes.least, sizes.most), None
    plan = Plan(kind, length, pace=pace)
    match kind:
        case Kind.CHUNKS:
            return replace(plan, step=max(rng.randrange(1, 2 * MIB), length // 50))
        case Kind.WITH_CREATION:
            first = rng.choice([length, length // 2, min(length, 100)])
            return replace(plan, first=first, chunked=rng.random() < 0.3)
        case Kind.DEFERRED:
            step = max(rng.randrange(1, MIB), length // 20)
            return replace(plan, deferred=True, told_last=rng.random() < 0.5, step=step)
        case Kind.CHECKSUM | Kind.TRAILER:
            algorithm, step = rng.choice(_ALGORITHMS), rng.randrange(64, 512) * KIB
            chunked = kind is Kind.TRAILER
            return replace(plan, algorithm=algorithm, spoiled=0.1, step=step, chunked=chunked)
        case Kind.CHUNKED:
            return replace(plan, chunked=True, deferred=rng.random() < 0.3)
        case Kind.EMPTY:
            return replace(plan, length=0, deferred=rng.random() < 0.5)
        case Kind.TERMINATED:
            return replace(plan, until=rng.randrange(length + 1), step=length // 3 + 1)
        case Kind.TWICE:
            return replace(plan, twice=0.8, step=length // 2 + 1, pace=None)
        case Kind.HUNG:
            return replace(plan, hung=0.8, step=length // 3 + 1, pace=None)
        case Kind.PLAIN | Kind.PARTS:
            return plan


def draw_length(rng: random.Random) -> int:
    """Return a length: most are small, some have several MB, and some end where a piece does."""
    kind = rng.random()
    if kind < 0.2:
        return rng.randrange(1, 1000)
    if kind < 0.6:
        return int(100 * KIB * math.exp(rng.gauss(0, 0.7)))
    if kind < 0.7:
        return rng.randrange(1, 64) * CELL
    return rng.randrange(MIB, 8 * MIB)
