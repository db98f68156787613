"""Says who is counted, and what they may have at most."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What uploads are counted by."""

    OWNER = "owner"
    ADDRESS = "address"  # the one that an upload was created from


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What somebody may have at most; None for any number.

    Attributes:
        open_uploads: Uploads that are not finished.
        stored: Bytes of all uploads, those that are reserved for unfinished ones included.
        creations_per_hour: Uploads that are created within any 3600 seconds.
        transfers: Bodies that are received at the same time.
        rate: Bytes a second of all these together; more than none.
    """

    open_uploads: int | None = None
    stored: int | None = None
    creations_per_hour: int | None = None
    transfers: int | None = None
    rate: int | None = None

    @property
    def counts_uploads(self) -> bool:
        """Tell whether there is anything that the state store counts."""
        return (self.open_uploads, self.stored, self.creations_per_hour) != (None, None, None)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Account:
    """
    Somebody whose uploads are counted together.

    Attributes:
        kind: Whether it is an owner or an address.
        name: Which.
        limits: What they may have.
    """

    kind: Kind
    name: str
    limits: Limits = NO_LIMITS

    def setting(self, limit: str) -> str:
        """Return what the attribute *limit* of `Limits` is called in the settings."""
        return f"max_{limit}_per_{self.kind}"


@dataclass(frozen=True, slots=True)
class Usage:
    """
    What somebody has.

    Attributes:
        name: The owner, or the address.
        open_uploads: See `Limits`.
        stored: See `Limits`.
    """

    name: str
    open_uploads: int
    stored: int
