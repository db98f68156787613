"""Says how fast the server must be, and whether it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.schedule import Outcome

#: In MB: what one fast upload may have in buffers, what all may have together by default, and how
#: much of an upload may go uncommitted by default.
_BUFFERS_OF_ONE = 8.4
_ALL_BUFFERS = 67.2
_CHECKPOINT = 67.2


@dataclass(frozen=True, slots=True)
class Goal:
    """
    One promise about speed.

    Attributes:
        what: In words.
        measure, server, metric: Which value it is about.
        bound: The least it may be, or with *most* the most.
        measure_against, server_against: Whose value of the same round it is divided by first; the
            same as its own where they are empty, and no value where both are.
    """

    what: str
    measure: str
    server: str
    metric: str
    bound: float
    most: bool = False
    measure_against: str = ""
    server_against: str = ""

    @property
    def is_ratio(self) -> bool:
        """Tell whether the bound is about a quotient."""
        return bool(self.measure_against or self.server_against)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a goal and what was measured stand to each other."""

    text: str
    measured: str
    outcome: str


def _beside_tusd(
    what: str, measure: str, metric: str, strict: float, relaxed: float | None = None
) -> list[Goal]:
    goals = [Goal(f"{what}, strict", measure, "strict", metric, strict, server_against="tusd")]
    if relaxed is not None:
        goals.append(
            Goal(f"{what}, relaxed", measure, "relaxed", metric, relaxed, server_against="tusd")
        )
    return goals


def _at_most(what: str, measure: str, metric: str, bound: float) -> list[Goal]:
    return [
        Goal(f"{what}, {server}", measure, server, metric, bound, most=True)
        for server in ("strict", "relaxed")
    ]


def _with_rows(what: str, metric: str) -> Goal:
    return Goal(what, "rows-many", "strict", metric, 1.2, most=True, measure_against="rows-few")


GOALS = (
    *_beside_tusd("one large PATCH: GB/s", "patch", "gbps", 2.0, 3.0),
    Goal("one large PATCH: CPU, strict", "patch", "strict", "cpu", 0.4, True, "", "tusd"),
    Goal("one large PATCH: GB/s, strict", "patch", "strict", "gbps", 0.8, False, "", "sink-direct"),
    Goal("one large PATCH: GB/s, relaxed", "patch", "relaxed", "gbps", 0.8, False, "", "sink"),
    *_beside_tusd("four streams: GB/s", "streams", "gbps", 1.2, 1.5),
    *_beside_tusd("PATCHes of 8 MB: GB/s", "chunks", "gbps", 1.2, 1.5),
    *_beside_tusd("small uploads, 8 connections: uploads/s", "small-8", "rate", 0.6, 1.2),
    *_beside_tusd("small uploads, 64 connections: uploads/s", "small-64", "rate", 0.6, 1.2),
    *_beside_tusd("small uploads in one POST: uploads/s", "small-creation", "rate", 0.6, 1.2),
    *_at_most("HEAD under load: p99 ms", "head", "p99", 10.0),
    *_at_most("four streams: RSS grown by MB", "streams", "grown", 4 * _BUFFERS_OF_ONE),
    *_at_most("ten large uploads: RSS grown by MB", "ten", "grown", 80.0 + _ALL_BUFFERS),
    *_at_most("slow uploads: KiB each", "slow", "each", 100.0),
    *_at_most("joining: answered after ms", "final", "answered", 50.0),
    *_beside_tusd("GET: GB/s", "get", "again", 1.0, 1.0),
    Goal("hand-over in one process: p99 ms", "handover", "strict", "p99", 100.0, most=True),
    Goal("hand-over across workers: p99 ms", "handover", "strict-2", "p99", 300.0, most=True),
    _with_rows("HEAD beside many rows: p50", "head50"),
    _with_rows("POST beside many rows: p50", "post50"),
    *_at_most("restart: s to the first accepted byte", "restart", "seconds", 1.0),
    *_at_most("restart: MB to send again", "restart", "again", _CHECKPOINT),
)


def judge(outcomes: Sequence[Outcome], goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """Return a verdict on every goal whose values were measured."""
    verdicts = []
    for goal in goals:
        values = _values(outcomes, goal)
        if values:
            verdicts.append(_verdict(goal, median(values)))
    return verdicts


def _values(outcomes: Sequence[Outcome], goal: Goal) -> list[float]:
    own = {
        each.round: each.values[goal.metric]
        for each in outcomes
        if (each.measure, each.server) == (goal.measure, goal.server)
    }
    if not goal.is_ratio:
        return list(own.values())
    against = (goal.measure_against or goal.measure, goal.server_against or goal.server)
    others = {
        each.round: each.values[goal.metric]
        for each in outcomes
        if (each.measure, each.server) == against
    }
    return [value / others[turn] for turn, value in own.items() if others.get(turn)]


def _verdict(goal: Goal, value: float) -> Verdict:
    met = value <= goal.bound if goal.most else value >= goal.bound
    relation = "at most" if goal.most else "at least"
    unit = f" x {goal.server_against or goal.measure_against}" if goal.is_ratio else ""
    missed = abs(value / goal.bound - 1)
    return Verdict(
        f"{goal.what}: {relation} {goal.bound:g}{unit}",
        f"{value:.2f}{unit}",
        "met" if met else f"missed by {missed:.0%}",
    )
