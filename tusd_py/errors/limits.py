"""The client has, or wants, more than it may have by the server's settings."""

from http import HTTPStatus

from tusd_py.errors.error import ProtocolError


class LimitReached(ProtocolError):
    """
    A limit stands in the way; nothing was created, and nothing is lost.

    Attributes:
        limit: The setting's name.
        allowed: What it allows.
        retry_after: Seconds after which it is worth trying again; None where time does not help.
    """

    code = "limit_reached"

    def __init__(
        self, message: str, *, limit: str, allowed: int, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed
        self.retry_after = retry_after


class NothingAllowed(LimitReached):
    """The limit is 0: whoever asks may not do this at all."""

    code = "nothing_allowed"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, limit: str) -> None:
        super().__init__(f"You may not upload here ({limit} is 0).", limit=limit, allowed=0)


class TooManyUploads(LimitReached):
    """The client has as many unfinished uploads as it may have; nothing was created."""

    code = "too_many_uploads"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, limit: str, allowed: int) -> None:
        super().__init__(
            f"There are {allowed} unfinished uploads, as many as there may be ({limit}): finish or"
            " delete one first.",
            limit=limit,
            allowed=allowed,
            retry_after=60,  # uploads take their time
        )


class TooManyCreations(LimitReached):
    """The client created as many uploads within an hour as it may; nothing was created."""

    code = "too_many_creations"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, limit: str, allowed: int, *, retry_after: int) -> None:
        super().__init__(
            f"{allowed} uploads were created within an hour, as many as may be ({limit}): try again"
            f" in {retry_after} seconds.",
            limit=limit,
            allowed=allowed,
            retry_after=retry_after,
        )


class TooMuchStored(LimitReached):
    """There is no room left for this in what the client may store; nothing was created."""

    code = "too_much_stored"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: str, allowed: int) -> None:
        super().__init__(
            f"This does not fit into the {allowed} bytes that may be stored ({limit}): delete what"
            " is not needed.",
            limit=limit,
            allowed=allowed,
        )


class TooManyTransfers(LimitReached):
    """
    As many bodies are being received as may be, and none ended in time; nothing was read.

    Attributes:
        status: What the client is answered: one that resumes has to try again, and does at 423.
    """

    code = "too_many_transfers"

    def __init__(self, limit: str, allowed: int, *, is_creation: bool) -> None:
        super().__init__(
            f"{allowed} transfers are under way, as many as may be ({limit}): try again when one"
            " has ended.",
            limit=limit,
            allowed=allowed,
            retry_after=5,
        )
        self.status = HTTPStatus.TOO_MANY_REQUESTS if is_creation else HTTPStatus.LOCKED
