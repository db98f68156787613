"""What a run did and saw, as a table and as JSON."""

import statistics
from collections import Counter
from dataclasses import dataclass, field

Row = tuple[str, str]
_MIB = 1024 * 1024


@dataclass(slots=True)
class Figures:
    """
    Counts and times.

    Attributes:
        counts: How often what happened, by name: the proxy's names and the monkey's among them.
        statuses: Answers by status.
        sent: Bytes of uploads that were read back and were right.
        resent, resent_most, resent_at_once: Bytes sent again: by all, by the upload with the most,
            and after the interruption that cost the most.
        vain: Bytes that came with creations without an answer: their clients begin anew.
        recoveries: Seconds from the start of a killed server to the first accepted byte.
        replacements: Seconds from the death of a worker to its successor.
        hand_overs: Seconds until HEAD was answered while an older connection hung.
        excused: The same, while a fault was under way.
        small_patches: Seconds that a few bytes took right after that, with nothing in their way.
        lags: Seconds by which the clients' own event loop was late, as a measure of all times.
        memory: The most that a process of the server had, in bytes.
    """

    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    resent: int = 0
    resent_most: int = 0
    resent_at_once: int = 0
    recoveries: list[float] = field(default_factory=list)
    replacements: list[float] = field(default_factory=list)
    hand_overs: list[float] = field(default_factory=list)
    excused: list[float] = field(default_factory=list)
    small_patches: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    vain: int = 0
    memory: int = 0

    def rows(self) -> list[Row]:
        """Return the figures in the order in which they are shown."""
        rows = [(name, f"{count:,}") for name, count in sorted(self.counts.items())]
        rows += [(f"answers {status}", f"{n:,}") for status, n in sorted(self.statuses.items())]
        rows += [
            ("bytes read back and right", _size(self.sent)),
            ("bytes sent again", _size(self.resent)),
            ("the most for one upload", _size(self.resent_most)),
            ("the most for one interruption", _size(self.resent_at_once)),
            ("bytes with creations that had no answer", _size(self.vain)),
            ("recovery after kill -9", spread(self.recoveries)),
            ("replacement of a worker", spread(self.replacements)),
            ("HEAD beside a hung line", spread(self.hand_overs)),
            ("the same during a fault", spread(self.excused)),
            ("a small PATCH without one", spread(self.small_patches)),
            ("lateness of the clients", spread(self.lags)),
            ("most memory of a process", _size(self.memory)),
        ]
        return rows

    def as_json(self) -> dict[str, object]:
        """Return the figures by name; times in seconds, sizes in bytes."""
        times = {
            "recovery": self.recoveries,
            "replacement": self.replacements,
            "hand_over": self.hand_overs,
            "hand_over_during_fault": self.excused,
            "small_patch": self.small_patches,
            "lateness": self.lags,
        }
        return {
            "counts": dict(sorted(self.counts.items())),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "bytes": self.sent,
            "resent": self.resent,
            "resent_most": self.resent_most,
            "resent_at_once": self.resent_at_once,
            "vain": self.vain,
            "memory": self.memory,
            **{name: summary(values) for name, values in times.items()},
        }


def percentile(values: list[float], percent: float) -> float:
    """Return the value that *percent* of *values* do not exceed; 0 where there are none."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary(values: list[float]) -> dict[str, float]:
    """Return count, median, 99th percentile and maximum."""
    if not values:
        return {"count": 0}
    return {
        "count": len(values),
        "p50": round(statistics.median(values), 4),
        "p99": round(percentile(values, 99), 4),
        "max": round(max(values), 4),
    }


def spread(values: list[float]) -> str:
    """Return the same for people, in milliseconds."""
    if not values:
        return "-"
    times = (statistics.median(values), percentile(values, 99), max(values))
    p50, p99, most = (f"{seconds * 1e3:.0f} ms" for seconds in times)
    return f"p50 {p50}, p99 {p99}, max {most} ({len(values)})"


def _size(count: int) -> str:
    return f"{count / _MIB:,.1f} MiB"
