"""What a check comes to: its outcome, and what was found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tusd_py.doctor.remedies import REMEDIES


class Outcome(StrEnum):
    """How a check ended, the worst last."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that is wrong.

    Attributes:
        code: Stable, for scripts; what `REMEDIES` knows it by.
        text: What was seen, with its figures.
    """

    code: str
    text: str

    @property
    def outcome(self) -> Outcome:
        """Tell whether clients fail, or are merely worse off."""
        return Outcome.BROKEN if REMEDIES[self.code].is_needed else Outcome.WARNING


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What one check came to.

    Attributes:
        check: Its name.
        title: The same for people.
        answered: What came back, in a line.
        findings: What is wrong; none where all is well.
        skipped: Why nothing was asked; empty where something was.
    """

    check: str
    title: str
    answered: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: str = ""

    @property
    def outcome(self) -> Outcome:
        """Return the worst of what was found."""
        if self.skipped:
            return Outcome.SKIPPED
        outcomes = {finding.outcome for finding in self.findings}
        return next(
            (each for each in (Outcome.BROKEN, Outcome.WARNING) if each in outcomes), Outcome.OK
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a check saw, and what is wrong with it."""

    answered: str
    findings: tuple[Finding, ...] = ()


class Trouble(Exception):
    """A finding that ends a check: what it wanted to see cannot be seen."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.finding = Finding(code, text)

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Return *finding* as what ends a check."""
        return cls(finding.code, finding.text)


class Skip(Exception):
    """A check has nothing to ask here; the text says why."""


class CannotExamine(Exception):
    """
    There is nothing to examine.

    Attributes:
        code: Stable, for scripts.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
