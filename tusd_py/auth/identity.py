"""Defines whose a request is, and what those may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Before the name of a scope where it stands among those of other services.
_PREFIX: Final = "tus:"
#: Characters of an owner's name; it is kept with every upload.
_LONGEST_OWNER: Final = 256


class Scope(StrEnum):
    """
    What somebody may do with uploads.

    Each is about one's own uploads; ADMIN lets read and terminate everybody's.
    """

    CREATE = "create"
    APPEND = "append"
    READ = "read"
    TERMINATE = "terminate"
    ADMIN = "admin"


#: What those may do of whom nothing else is said.
ORDINARY: Final = frozenset(Scope) - {Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Whose a request is.

    Attributes:
        owner: Whose uploads are meant, and whose a new one will be; empty for everybody's.
        scopes: What may be done.
    """

    owner: str
    scopes: frozenset[Scope] = ORDINARY


def is_owner(name: str) -> bool:
    """Tell whether an owner can be called *name*: not empty, not endless, and fit for a log."""
    return 0 < len(name) <= _LONGEST_OWNER and name.isprintable() and name == name.strip()


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return those of *names* that mean something here; others are other services' business."""
    plain = {name.removeprefix(_PREFIX) for name in names}
    return frozenset(scope for scope in Scope if scope in plain)
