"""The transfer ended before its time; what arrived is kept."""

from tusd_py.errors.error import TusError


class TransferEnded(TusError):
    """The body stopped early. Unless a checksum forbids it, what arrived in order is committed."""


class Disconnected(TransferEnded):
    """The client's connection is gone; nobody is left to be answered."""

    code = "disconnected"

    def __init__(self) -> None:
        super().__init__("The connection was lost: ask for the offset with HEAD and resume there.")


class IdleTimeout(TransferEnded):
    """The client stayed silent for too long."""

    code = "idle_timeout"

    def __init__(self) -> None:
        super().__init__("No data arrived for too long: ask for the offset and resume there.")


class TooSlow(TransferEnded):
    """The client sent fewer bytes than it has to, over a whole window of waiting for it."""

    code = "too_slow"

    def __init__(self) -> None:
        super().__init__("Data arrived too slowly: ask for the offset and resume there.")


class Displaced(TransferEnded):
    """A newer request for the same upload was let in instead."""

    code = "displaced"

    def __init__(self) -> None:
        super().__init__("A newer request took this upload over: ask for the offset with HEAD.")


class ServerStopping(TransferEnded):
    """The server shuts down."""

    code = "server_stopping"

    def __init__(self) -> None:
        super().__init__("The server is shutting down: try again in a moment.")


class LockTimeout(TusError):
    """Another request holds the upload and did not let go in time."""

    code = "lock_timeout"

    def __init__(self) -> None:
        super().__init__("The upload is busy with another request: try again in a moment.")
