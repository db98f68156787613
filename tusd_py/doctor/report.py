"""All that an examination came to, and what a program makes of it."""

from dataclasses import dataclass
from typing import Any

from tusd_py.doctor.remedies import REMEDIES
from tusd_py.doctor.verdict import Finding, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """
    All verdicts.

    Attributes:
        url: What was examined.
        verdicts: One for each check.
        servers: Who answered, by the headers Server and Via.
        proxy: The proxy among them, as remedies name it; None where none is known.
        left: URLs of uploads that could not be removed.
        seconds: How long it took.
    """

    url: str
    verdicts: tuple[Verdict, ...]
    servers: tuple[str, ...]
    proxy: str | None
    left: tuple[str, ...]
    seconds: float

    def count(self, outcome: Outcome) -> int:
        """Return how many checks ended so."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def is_healthy(self) -> bool:
        """Tell whether nothing is broken; warnings do not count."""
        return not self.count(Outcome.BROKEN)

    def as_document(self) -> dict[str, Any]:
        """Return all of it for scripts."""
        return {
            "url": self.url,
            "healthy": self.is_healthy,
            "servers": list(self.servers),
            "proxy": self.proxy,
            "checks": [self._verdict_document(verdict) for verdict in self.verdicts],
            "left": list(self.left),
            "seconds": round(self.seconds, 3),
        }

    def _verdict_document(self, verdict: Verdict) -> dict[str, Any]:
        return {
            "check": verdict.check,
            "outcome": verdict.outcome.value,
            "answered": verdict.answered,
            "skipped": verdict.skipped,
            "findings": [self._finding_document(finding) for finding in verdict.findings],
        }

    def _finding_document(self, finding: Finding) -> dict[str, Any]:
        remedy = REMEDIES[finding.code]
        return {
            "code": finding.code,
            "outcome": finding.outcome.value,
            "text": finding.text,
            "meaning": remedy.meaning,
            "remedies": dict(remedy.lines(self.proxy)),
        }
