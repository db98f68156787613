"""Interface: places for what somebody may do so many times at the same time."""

from typing import Protocol

from tusd_py.protocol.limits import Account


class Slots(Protocol):
    """
    Gives out places, in all processes of the server together.

    A process that ends gives back what it has, however it ends.
    """

    def take(self, account: Account, most: int) -> int | None:
        """Take one of the *most* places of *account*, and return it; None where none is free."""
        ...

    def give_back(self, place: int) -> None:
        """Give back what `take` returned."""
        ...

    def close(self) -> None:
        """Let go of files; no place is taken any more."""
        ...
