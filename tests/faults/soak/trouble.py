"""What goes wrong on one connection; drawn from a seed, so that it can be drawn again."""

import math
import random
from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024


class Ending(StrEnum):
    """How a connection ends before its time; the values are their names among the figures."""

    FIN = "cut with FIN"
    RST = "cut with RST"
    HANG = "hung"
    HALF_HEAD = "hung within a head"


class Shape(StrEnum):
    """What happens to the bytes that do get through."""

    DELAY = "delayed"
    SPLIT = "split"
    LIMIT = "slowed down"


class Way(StrEnum):
    """Which bytes are counted, and stop."""

    UP = "to the server"
    DOWN = "to the client"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    One connection's fate.

    Attributes:
        ending: How it ends; None for in peace.
        way: The direction that is cut or hangs.
        after: How many bytes get through before (of `way`; for both, to the server).
        shape: What happens to them; None for nothing.
        amount: Seconds of delay, bytes of a segment, or bytes per second.
        hold: For how many seconds a hung line stays open toward the server.
    """

    ending: Ending | None = None
    way: Way = Way.UP
    after: int = 0
    shape: Shape | None = None
    amount: float = 0.0
    hold: float = 0.0

    def stops(self, way: Way) -> bool:
        """Tell whether no byte goes *way* once a line hangs."""
        return self.way in (way, Way.BOTH)


def draw(rng: random.Random) -> Trouble:
    """Return the fate of the next connection: three in ten end badly, and four are slow or odd."""
    ending = rng.choices([None, *Ending], [70, 7, 9, 10, 4])[0]
    way = rng.choice(list(Way)) if ending is Ending.HANG else rng.choice((Way.UP, Way.DOWN))
    after = _bytes(rng, most=300 if way is Way.DOWN else 16 * MIB)
    if ending is Ending.HALF_HEAD:
        way, after = Way.BOTH, rng.randrange(1, 120)
    shape = rng.choices([None, *Shape], [60, 15, 15, 10])[0]
    return Trouble(ending, way, after, shape, _amount(rng, shape), hold=rng.uniform(5, 40))


def _bytes(rng: random.Random, *, most: int) -> int:
    """Return a number of any magnitude."""
    return int(math.exp(rng.uniform(0, math.log(most))))


def _amount(rng: random.Random, shape: Shape | None) -> float:
    match shape:
        case Shape.DELAY:
            return rng.uniform(0.001, 0.1)
        case Shape.SPLIT:
            return rng.randrange(1, 200)
        case Shape.LIMIT:
            return rng.uniform(0.2, 4) * MIB
        case None:
            return 0.0
