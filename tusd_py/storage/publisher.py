"""Interface: put finished uploads where others find them."""

from dataclasses import dataclass
from typing import Protocol

from tusd_py.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class Published:
    """
    Where an upload is found.

    Attributes:
        path: Below the directory for that, with slashes.
        moved: Whether its bytes are to be there alone.
    """

    path: str
    moved: bool


@dataclass(frozen=True, slots=True)
class Leftover:
    """
    What is kept of a publication until it is settled.

    Attributes:
        upload_id: Whose.
        since: When it was begun, in seconds since the epoch.
    """

    upload_id: str
    since: float


class Publisher(Protocol):
    """
    Gives uploads a name of their own, outside the data store.

    `publish`, then the state's commit, then `settle`: a crash in between leaves what `publish`
    knows again, so that it never makes a second name, and what `leftovers` finds.
    """

    async def publish(self, upload: Upload) -> Published:
        """
        Let all bytes of *upload* be found by a name, durably and at once, and return it.

        May be repeated after a crash, and then finds what it did; no other file is ever changed.
        The data store keeps its bytes, too.

        Raises:
            PublishingUnavailable: That is not possible at the moment.
        """
        ...

    async def settle(self, upload_id: str) -> None:
        """Forget how an upload was published, which the state store knows by now."""
        ...

    async def withdraw(self, upload: Upload) -> None:
        """
        Undo what `publish` did for an upload that is not finished, and never will be.

        Raises:
            PublishingUnavailable: That is not possible at the moment.
        """
        ...

    async def leftovers(self) -> list[Leftover]:
        """Return what is not settled; nothing while nobody can look."""
        ...
