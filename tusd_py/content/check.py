"""
Interfaces: look at a complete upload, and say whether it may stay.

What a check can say earlier than that are protocols of their own.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, runtime_checkable

from tusd_py.protocol.upload import Upload

#: Returns up to that many bytes from an offset; fewer only where the upload ends.
Read = Callable[[int, int], Awaitable[bytes]]

#: As many bytes as tell what a file is; `LooksEarly` gets no more of them.
HEAD: Final = 4096


class Check(Protocol):
    """
    Looks at uploads whose bytes are all there, and durable.

    Attributes:
        name: Tells it from others in logs and metrics.
    """

    name: str

    async def examine(self, upload: Upload, read: Read) -> None:
        """
        Return if *upload* may stay. May be called again for the same upload.

        Raises:
            ContentRefused: It may not.
            CheckUnavailable: That cannot be said at the moment.
            StorageError: Its bytes cannot be read.
        """
        ...


@runtime_checkable
class Foresees(Protocol):
    """A check that knows of some uploads before any byte came that they will not stay."""

    def foresee(self, upload: Upload) -> None:
        """Raise `ContentRefused` where it knows that of *upload*, as it is to be created."""
        ...


@runtime_checkable
class LooksEarly(Protocol):
    """A check that knows it of more once the first bytes are in."""

    def wants_head(self, upload: Upload) -> bool:
        """Tell whether the first bytes of *upload* would tell it anything."""
        ...

    async def look(self, upload: Upload, head: bytes) -> None:
        """
        Raise `ContentRefused` where it knows that now.

        Args:
            upload: Which.
            head: Its first `HEAD` bytes, or all where it has fewer.
        """
        ...
