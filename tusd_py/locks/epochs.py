"""Numbers that grow from hold to hold, whichever process of the host gives them out."""

import time


class Epochs:
    """
    Takes epochs from the kernel's monotonic clock, which all processes of a host share.

    A hold of an upload begins after the one before ended, so its epoch is larger, without a word
    between the processes. A boot sets the clock back: *base* makes up for that.

    Args:
        base: What `base_above` returned to the first process of the server.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._last = 0

    def __call__(self) -> int:
        """Return the next epoch."""
        self._last = max(self._last + 1, self._base + time.monotonic_ns())
        return self._last


def base_above(highest: int) -> int:
    """Return the base with which every epoch from now on is above *highest*."""
    return max(0, highest + 1 - time.monotonic_ns())
