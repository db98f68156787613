"""
Decides which files are taken, by their names, types and sizes.

A file is taken where one rule takes it whole, whatever the others say: their order means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus

from tusd_py.content.declared import Declared
from tusd_py.content.media_types import OCTETS, is_pattern, matches, may_be
from tusd_py.errors import ContentRefused


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Files that are taken; what is empty or None restricts nothing.

    Attributes:
        name: What clients are told that the files are.
        filenames: Patterns with `*`, `?` and `[...]`, of which the name fits one, whatever its
            capitals.
        types: Canonical types, and patterns of them, of which what is declared and what the bytes
            show fit one each.
        max_size: The most bytes that such a file may have.
    """

    name: str
    filenames: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    max_size: int | None = None

    def fits(self, declared: Declared) -> bool:
        """Tell whether a file's name and declared type fit, where it has them."""
        return self._fits_name(declared.name) and (
            declared.media_type is None or self.is_open or matches(declared.media_type, self.types)
        )

    def fits_bytes(self, shown: str, declared: Declared) -> bool:
        """Tell whether bytes that show the type *shown* fit."""
        if self.is_open or matches(shown, self.types):
            return True
        if any(may_be(shown, each) for each in self.types if not is_pattern(each)):
            return True
        # A pattern is taken for what the client says that it means, if the bytes may be that.
        said = declared.media_type
        return said is not None and may_be(shown, said) and matches(said, self.types)

    def has_room(self, size: int | None) -> bool:
        """Tell whether a file of *size* bytes is not too large."""
        return self.max_size is None or size is None or size <= self.max_size

    @property
    def is_open(self) -> bool:
        """Tell whether it takes bytes of any kind."""
        return not self.types or OCTETS in self.types

    def _fits_name(self, name: str | None) -> bool:
        if not self.filenames:
            return True
        return name is not None and any(
            fnmatchcase(name.casefold(), pattern.casefold()) for pattern in self.filenames
        )


class Rules:
    """All the rules of a server."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._names = ", ".join(rule.name for rule in rules)

    def decide(self, declared: Declared) -> tuple[Rule, ...]:
        """
        Return the rules that may take a file, by what is known before its bytes.

        Raises:
            ContentRefused: There is none: 413 where it is too large, else 415.
        """
        fitting = tuple(rule for rule in self._rules if rule.fits(declared))
        if not fitting:
            raise ContentRefused(
                f"Files of this name and type are not taken here; these are: {self._names}.",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )
        roomy = tuple(rule for rule in fitting if rule.has_room(declared.size))
        if not roomy:
            most = max(rule.max_size or 0 for rule in fitting)
            raise ContentRefused(
                f"Such a file may have {most} bytes at most.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
        return roomy

    def can_tell(self, declared: Declared) -> bool:
        """Tell whether the first bytes of a file could speak against it."""
        fitting = [rule for rule in self._rules if rule.fits(declared)]
        return not any(rule.is_open for rule in fitting)

    def decide_bytes(self, shown: str, declared: Declared) -> None:
        """
        Let a file pass whose bytes show the type *shown*.

        Raises:
            ContentRefused: No rule takes that, or what `decide` raises.
        """
        if not any(rule.fits_bytes(shown, declared) for rule in self.decide(declared)):
            raise ContentRefused(
                f"By its bytes the file is {shown}, which is not taken here under its name and"
                f" type; these are: {self._names}.",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )

    @property
    def name_types(self) -> bool:
        """Tell whether any rule is about types, so that bytes have to be looked at."""
        return any(not rule.is_open for rule in self._rules)
