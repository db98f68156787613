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


class Publisher(Protocol):
    """Gives uploads a name of their own, outside the data store."""

    async def publish(self, upload: Upload) -> Published:
        """
        Let all bytes of *upload* be found by a name, durably and at once, and return it.

        May be repeated after a crash, and then finds what it did; no other file is ever changed.
        The data store keeps its bytes, too.

        Raises:
            StorageError: That is not possible at the moment.
        """
        ...

    async def withdraw(self, upload: Upload, published: Published) -> None:
        """Undo what `publish` did for an upload that was terminated meanwhile."""
        ...
