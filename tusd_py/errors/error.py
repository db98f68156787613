"""Defines `TusError`, the root of all that can go wrong."""

from http import HTTPStatus
from typing import ClassVar


class TusError(Exception):
    """
    Something went wrong that this project expects and can explain.

    Attributes:
        code: A stable name.
        message: What happened and what to do next, safe to show.
        expires_at: When the upload that it is about expires, where that is known: tus wants it
            in every answer to PATCH.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.expires_at: float | None = None


class ProtocolError(TusError):
    """A rule of tus or HTTP forbids this request as it stands."""

    #: What the client is answered.
    status: int = HTTPStatus.BAD_REQUEST
