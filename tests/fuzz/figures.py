"""Counts what was sent and answered, and says whether that reached what lies behind the parser."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.fuzz.answers import Answer
from tests.fuzz.framing import Sent

_VERBS: Final = ("POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "GET", "PUT")
#: The least share that these answers have to have of all: a fuzzer that is always refused at the
#: door proves nothing of the house.
_FLOORS: Final[dict[tuple[str, int], float]] = {
    ("POST", 201): 0.04,
    ("PATCH", 204): 0.05,
    ("PATCH", 409): 0.02,
    ("HEAD", 200): 0.05,
    ("GET", 200): 0.004,
    ("GET", 206): 0.002,
    ("DELETE", 204): 0.007,
    ("OPTIONS", 204): 0.04,
}
#: What has to be answered at all.
_REACHED: Final = {
    "POST": (400, 413),
    "PATCH": (400, 403, 404, 413, 423, 460),
    "HEAD": (404,),
    "GET": (404,),
    "DELETE": (404,),
}
#: The most of all requests that may have a head that nobody can read.
_MOST_UNREADABLE: Final = 0.2


class Figures:
    """What a run of the fuzzer reached."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.standings: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.invited = 0

    def count(self, requests: Sequence[Sent], answers: Sequence[Answer], ending: str) -> None:
        """Add one connection."""
        self.endings[ending] += 1
        self.standings.update(request.standing for request in requests)
        for request, answer in zip(requests, answers, strict=False):
            self.answers[_verb_of(request), answer.status] += 1
            self.invited += answer.invited

    def missing(self) -> list[str]:
        """Name what was reached too seldom, or not at all."""
        total = self.answers.total()
        short = [
            f"{verb} {status}: {self.answers[verb, status]} of {total}"
            for (verb, status), share in _FLOORS.items()
            if self.answers[verb, status] < share * total or not total
        ]
        short += [
            f"{verb} {status}: none"
            for verb, statuses in _REACHED.items()
            for status in statuses
            if not self.answers[verb, status]
        ]
        unreadable, requests = self.standings["unreadable"], self.standings.total()
        if unreadable > _MOST_UNREADABLE * requests:
            short.append(f"{unreadable} of {requests} requests cannot be read")
        return short if self.invited else [*short, "nobody was invited with 100"]

    def __str__(self) -> str:
        lines = [
            f"{self.standings.total()} requests on {self.endings.total()} connections, "
            f"{self.answers.total()} answers",
            f"ended: {_listed(self.endings)}",
            f"read as: {_listed(self.standings)}; {self.invited} invited with 100",
        ]
        for verb in (*_VERBS, "other"):
            of_verb = {status: n for (each, status), n in self.answers.items() if each == verb}
            lines.append(f"{verb:8}{_listed(Counter(of_verb))}")
        return "\n".join(lines)


def _listed(counted: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counted.items(), key=str))


def _verb_of(request: Sent) -> str:
    verb = (request.get("x-http-method-override") or request.method).upper()
    return verb if verb in _VERBS else "other"
