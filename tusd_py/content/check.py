"""Interface: look at a complete upload, and say whether it may stay."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from tusd_py.protocol.upload import Upload

#: Returns up to that many bytes from an offset; fewer only where the upload ends.
Read = Callable[[int, int], Awaitable[bytes]]


class Check(Protocol):
    """
    Looks at uploads whose bytes are all there, and durable.

    Attributes:
        name: Tells it from others in logs.
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
