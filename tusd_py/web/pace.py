"""
Holds a body to the least rate that a client has to keep.

Without it a client that sends a byte now and then never falls silent, and keeps its connection,
its buffer and its hold on the upload for as long as it likes (slow loris). Only time spent waiting
for the client counts: while the disk is what everybody waits for, nobody is too slow.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """
    What a body may take its time for.

    Attributes:
        idle_timeout: How many seconds it may stay silent.
        min_rate: Bytes a second that have to come on average; 0 for any rate.
        min_rate_window: Seconds of waiting over which that is measured.
    """

    idle_timeout: float
    min_rate: int
    min_rate_window: float


class Pace:
    """
    Measures one body, a window at a time.

    A window ends once the client was waited for that long, and the next one begins. A body that
    ends within a window is not judged by it: its last bytes may come as slowly as they like.
    """

    __slots__ = ("_came", "_waited", "_wanted", "_window")

    def __init__(self, limits: BodyLimits) -> None:
        self._window = limits.min_rate_window
        self._wanted = limits.min_rate * limits.min_rate_window
        self._waited = 0.0
        self._came = 0

    def left(self, waited: float = 0.0, came: int = 0) -> float:
        """
        Return how many more seconds the client may take, given what was not noted yet.

        None are left when it is too slow; infinitely many once enough came for this window.
        """
        if self._came + came >= self._wanted:
            return math.inf
        return self._window - self._waited - waited

    def note(self, waited: float, came: int) -> None:
        """Note that *came* bytes came while the client was waited for that many seconds."""
        self._waited += waited
        self._came += came
        if self._waited >= self._window and self._came >= self._wanted:
            self._waited = 0.0
            self._came = 0
