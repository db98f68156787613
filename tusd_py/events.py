"""All that can happen to an upload, as frozen values: what the service tells its listener."""

from collections.abc import Callable
from dataclasses import dataclass

from tusd_py.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to *upload*, and is committed."""

    upload: Upload


class UploadCreated(Event):
    """It exists, durably, and takes bytes."""


class UploadAdvanced(Event):
    """Its offset moved, and more bytes are wanted."""


class UploadFinished(Event):
    """Its last byte is durable, and nothing else is left to be done."""


class UploadTerminated(Event):
    """A client or an operator removed it."""


@dataclass(frozen=True, slots=True)
class UploadRejected(Event):
    """
    A hook or a check did not want it as it is; its bytes are removed.

    Attributes:
        by: The check's name, or `hook`.
    """

    by: str = "hook"


class UploadExpired(Event):
    """Its time was over, and its bytes are removed."""


Listener = Callable[[Event], None]
