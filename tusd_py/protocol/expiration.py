"""Says when an upload expires, and writes Upload-Expires."""

from dataclasses import dataclass
from email.utils import formatdate


@dataclass(frozen=True, slots=True)
class Expiration:
    """
    How long an upload may stay unfinished.

    Attributes:
        after: Seconds; None for never.
        sliding: Whether the time starts again whenever the offset moves.
    """

    after: float | None
    sliding: bool

    def expires_at(self, created_at: float, now: float) -> float | None:
        """Return when an upload created at *created_at* and touched at *now* expires."""
        if self.after is None:
            return None
        return (now if self.sliding else created_at) + self.after


def format_expires(expires_at: float) -> str:
    """
    Write *expires_at* (seconds since the epoch) as an IMF-fixdate, in whole seconds.

    "The value of the `Upload-Expires` header MUST be in RFC 9110 datetime format."
    """
    return formatdate(expires_at, usegmt=True)
