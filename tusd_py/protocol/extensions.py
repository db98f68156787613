"""Says which extensions to announce, given what the settings allow and the back ends can do."""

from dataclasses import dataclass, replace
from enum import StrEnum

from tusd_py.protocol.checksum import ALGORITHMS
from tusd_py.protocol.expiration import Expiration


class Extension(StrEnum):
    """The extensions of tus 1.0.0, by the names that Tus-Extension uses."""

    CREATION = "creation"
    CREATION_WITH_UPLOAD = "creation-with-upload"
    CREATION_DEFER_LENGTH = "creation-defer-length"
    EXPIRATION = "expiration"
    CHECKSUM = "checksum"
    CHECKSUM_TRAILER = "checksum-trailer"
    TERMINATION = "termination"
    CONCATENATION = "concatenation"
    CONCATENATION_UNFINISHED = "concatenation-unfinished"


#: What an extension cannot do without. "If the Server does not offer the Creation extension, it
#: MUST NOT offer the Creation With Upload extension either"; the others follow from their texts.
_NEEDS = {
    Extension.CREATION_WITH_UPLOAD: Extension.CREATION,
    Extension.CREATION_DEFER_LENGTH: Extension.CREATION,
    Extension.CONCATENATION: Extension.CREATION,
    Extension.CONCATENATION_UNFINISHED: Extension.CONCATENATION,
    Extension.CHECKSUM_TRAILER: Extension.CHECKSUM,
}


_NEVER = Expiration(after=None, sliding=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What this server offers and insists on; made once from settings and back ends.

    Attributes:
        extensions: What Tus-Extension announces, in the specification's order.
        algorithms: What Tus-Checksum-Algorithm announces.
        max_size: The most bytes one upload may have; None for no limit.
        expiration: When unfinished uploads expire.
        lenient_metadata: Keep Upload-Metadata that cannot be read instead of refusing it.
        head_without_version: Answer a HEAD that lacks Tus-Resumable.
        method_override: Obey X-HTTP-Method-Override.
        repeated_parts: Let a final upload name the same part more than once.
    """

    extensions: tuple[Extension, ...] = tuple(Extension)
    algorithms: tuple[str, ...] = ALGORITHMS
    max_size: int | None = None
    expiration: Expiration = _NEVER
    lenient_metadata: bool = False
    head_without_version: bool = False
    method_override: bool = True
    repeated_parts: bool = False

    def offers(self, extension: Extension) -> bool:
        """Tell whether *extension* is announced, and so available."""
        return extension in self.extensions

    def without(self, extension: Extension) -> "Policy":
        """Return this policy without *extension*."""
        return replace(self, extensions=tuple(e for e in self.extensions if e is not extension))


def decide_extensions(*, disabled: frozenset[Extension], expires: bool) -> tuple[Extension, ...]:
    """
    Return what to announce: all but the *disabled*, and what rests on those.

    Args:
        disabled: What the settings switch off.
        expires: Whether unfinished uploads expire at all.
    """
    missing = disabled if expires else disabled | {Extension.EXPIRATION}
    while dependants := {ext for ext, need in _NEEDS.items() if need in missing} - missing:
        missing |= dependants
    return tuple(extension for extension in Extension if extension not in missing)
