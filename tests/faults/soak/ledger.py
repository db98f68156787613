"""Remembers what the server promised, and notices when a promise is broken."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from tests.faults.soak.contents import Source
from tests.faults.soak.plans import Plan
from tests.faults.soak.timeline import Timeline

_HISTORY = 80
_LOG_LINES = 40


class Violated(Exception):
    """The server broke a promise; the ledger has it, and the upload is given up."""


class Presence(Enum):
    """Whether an upload is to be found."""

    THERE = auto()
    GOING = auto()  # its termination was asked for: it may be there or not
    GONE = auto()  # its termination was acknowledged


@dataclass(slots=True)
class Record:
    """
    One upload, as its client knows it.

    Attributes:
        number: Its name here, and in the request ids of the server's log.
        source: Its bytes.
        path: Its URL's path, once a server has told it.
        floor: The largest offset that was acknowledged.
        reached: The end of the bytes that were ever sent: no offset can be larger.
        sent: The end of the bytes that were sent since the last answer; what of them is not
            there has to be sent again.
        declared: Whether the server knows the length.
        boundaries: The only offsets there can be, where checksums speak for whole chunks.
        resent: Bytes that had to be sent again, and the most of them at once.
        broke_straight: Whether the last PATCH that broke off was on a line past the proxy.
        progress: When it last came nearer to its end.
    """

    number: int
    plan: Plan
    source: Source
    path: str | None = None
    floor: int = 0
    reached: int = 0
    sent: int = 0
    declared: bool = False
    presence: Presence = Presence.THERE
    boundaries: set[int] | None = None
    resent: int = 0
    resent_at_once: int = 0
    broke_straight: bool = False
    progress: float = field(default_factory=time.monotonic)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=_HISTORY))

    @property
    def upload_id(self) -> str:
        """Return the id in its URL, or nothing before there is one."""
        return (self.path or "").rpartition("/")[2]

    @property
    def is_complete(self) -> bool:
        """Tell whether the server acknowledged the last byte."""
        return self.path is not None and self.declared and self.floor == self.source.length

    def note(self, what: str) -> None:
        """Add a line to its history."""
        self.history.append(f"{time.monotonic():.3f} {what}")

    def moved(self) -> None:
        """Note that it came nearer to its end."""
        self.progress = time.monotonic()

    def sending(self, stop: int) -> None:
        """Note that the bytes up to *stop* are on their way."""
        self.sent = max(self.sent, stop)
        self.reached = max(self.reached, stop)

    def resumed(self) -> int:
        """Go on at what was acknowledged; return how many bytes have to be sent again."""
        again = max(0, self.sent - self.floor)
        self.resent += again
        self.resent_at_once = max(self.resent_at_once, again)
        self.sent = self.floor
        return again


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, and what was known of it at that moment."""

    what: str
    record: Record | None
    faults: list[str]
    log: list[str]

    def __str__(self) -> str:
        lines = [f"VIOLATION: {self.what}"]
        lines += ["the last faults:", *(f"  {line}" for line in self.faults)]
        if self.record is not None:
            lines += [f"upload {self.record.number} {self.record.path}: {self.record.plan}"]
            lines += ["its history:", *(f"  {line}" for line in self.record.history)]
        lines += ["the server's log:", *(f"  {line}" for line in self.log)]
        return "\n".join(lines)


class Ledger:
    """
    All uploads that are not over, and all broken promises.

    Args:
        read_log: Returns the server's log.
        timeline: Knows the faults.
        tell: Called with each violation as it is found.

    Attributes:
        gone: The ids of uploads whose termination was acknowledged.
        given_up: Ids that were given up after a violation; they are wherever they are.
        doubtful: Ids whose termination was asked for in vain at first: a crash may have left
            their bytes to the sweeper.
        unanswered: Names of creations that got no answer and may have had their effect, or were
            refused for want of room, in which case there may be none to take them back.
        interrupted: How many of those a process may have died of, so that data without a row may
            be left to the sweeper.
    """

    def __init__(
        self,
        read_log: Callable[[], str],
        timeline: Timeline,
        tell: Callable[[Violation], None],
    ) -> None:
        self.living: dict[int, Record] = {}
        self.gone: set[str] = set()
        self.given_up: set[str] = set()
        self.doubtful: set[str] = set()
        self.unanswered: set[str] = set()
        self.interrupted = 0
        self.violations: list[Violation] = []
        self._count = 0
        self._read_log = read_log
        self._timeline = timeline
        self._tell = tell

    def open(self, plan: Plan, source: Source) -> Record:
        """Begin the record of an upload."""
        self._count += 1
        record = Record(self._count, plan, source)
        if plan.algorithm is not None:
            record.boundaries = {source.length}
        self.living[record.number] = record
        return record

    def close(self, record: Record) -> None:
        """End the record of an upload that is gone, or given up."""
        self.living.pop(record.number, None)
        (self.gone if record.presence is Presence.GONE else self.given_up).add(record.upload_id)

    def promise(self, record: Record, offset: int, *, floor: int) -> None:
        """
        Note an offset that the server told.

        Args:
            record: Whose.
            offset: What the server said.
            floor: What had been acknowledged when the request was sent.

        Raises:
            Violated: It cannot be right.
        """
        if offset < floor:
            self.violate(f"the offset shrank from {floor} to {offset}", record)
        if offset > record.reached:
            self.violate(f"offset {offset}, where {record.reached} bytes were sent", record)
        if record.boundaries is not None and offset not in record.boundaries:
            self.violate(f"offset {offset} is within a chunk with a checksum", record)
        if offset > record.floor:
            record.floor = offset
            record.moved()

    def violate(self, what: str, record: Record | None = None) -> NoReturn:
        """Note a broken promise, and raise `Violated`."""
        self.report(what, record)
        raise Violated(what)

    def report(self, what: str, record: Record | None = None) -> None:
        """Note a broken promise."""
        lines = self._read_log().splitlines()
        excerpt = lines[-_LOG_LINES:]
        if record is not None and record.path is not None:
            of_it = [line for line in lines if record.upload_id in line]
            excerpt = [*of_it[-_LOG_LINES:], "...", *excerpt]
        violation = Violation(what, record, self._timeline.lately(), excerpt)
        self.violations.append(violation)
        self._tell(violation)
