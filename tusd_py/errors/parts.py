"""One of the parts of the server failed; committed offsets stay true."""

from collections.abc import Mapping
from http import HTTPStatus

from tusd_py.errors.error import TusError


class StorageError(TusError):
    """The data store could not read or write; the offset counts nothing that was not flushed."""

    code = "storage_error"


class StorageFull(StorageError):
    """There is no room for these bytes."""

    code = "storage_full"


class StateError(TusError):
    """The state store could not read or commit; nothing was changed."""

    code = "state_error"


class StateFull(StateError):
    """The state store has no room for a commit; nothing was changed."""

    code = "state_full"


class DataDirectoryError(TusError):
    """The data directory cannot be used as it is; the message says why and what to do."""

    code = "data_directory_error"


class CheckUnavailable(TusError):
    """
    A check cannot say at the moment whether an upload may stay: it is asked again later.

    Attributes:
        reason: What failed, for operators alone.
    """

    code = "check_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("This upload cannot be checked at the moment: that is tried again soon.")
        self.reason = reason


class PublishingUnavailable(TusError):
    """
    A complete upload cannot be published at the moment: that is tried again later.

    Attributes:
        reason: What failed and what to do, for operators alone.
    """

    code = "publishing_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("This upload cannot be handed over at the moment: that is tried again.")
        self.reason = reason


class HookUnavailable(TusError):
    """
    A hook could not be told or asked, or its answer cannot be used.

    Attributes:
        reason: What failed, for operators alone.
        retry_after: Seconds after which it wants to be told again; None where it did not say.
    """

    code = "hook_unavailable"

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__("This cannot be allowed or refused at the moment: try again soon.")
        self.reason = reason
        self.retry_after = retry_after


class RefusedByHook(TusError):
    """
    A hook does not want this to happen; what it had a say in was not done.

    Attributes:
        status: What the client is answered.
        body: The body of that; empty for an explanation of ours.
        headers: More headers.
    """

    code = "refused_by_hook"

    def __init__(
        self,
        message: str,
        status: int = HTTPStatus.BAD_REQUEST,
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.headers = headers or {}


class UnguardedServer(TusError):
    """Somebody else's server carries the routes, and does not keep trailers apart from headers."""

    code = "unguarded_server"

    def __init__(self) -> None:
        super().__init__("The server is not set up safely: its log says what to do.")
