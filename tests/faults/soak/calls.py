"""Asks as tus-js-client asks, tries again as it does, and judges every answer."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.faults.soak.figures import Figures
from tests.faults.soak.ledger import Ledger, Record
from tests.faults.soak.timeline import Timeline
from tests.faults.soak.wire import Address, Answer, Broken, Line, Request

T = TypeVar("T")
PATH = "/files/"
#: Seconds between tries: the first is at once, as tus-js-client's.
_DELAYS = (0.0, 0.05, 0.1, 0.3, 1.0)
#: A browser does not use a connection for ever, and each new one has a fate of its own.
_REQUESTS_PER_LINE = 8
_LEFT_OPEN = 500


class Transient(Exception):
    """
    It did not work this time: the client asks where it stands, and goes on there.

    Attributes:
        status: What the server answered; None where it did not.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class World:
    """
    What all clients share.

    Attributes:
        direct, detour: The server, and the proxy before it.
        patience: Seconds without any movement after which a client takes a line for dead.
        stuck_after: Seconds without progress after which an upload counts as stuck.
        calm: Whether the network is to be good from now on.
        left_open: Lines that nobody uses, and that are open all the same.
    """

    ledger: Ledger
    figures: Figures
    timeline: Timeline
    direct: Address
    detour: Address
    patience: float = 2.5
    stuck_after: float = 90.0
    calm: bool = False
    left_open: deque[Line] = field(default_factory=deque)

    def way(self, rng: random.Random) -> Address:
        """Return the address to use for the next line."""
        return self.direct if self.calm or rng.random() < 0.1 else self.detour

    def leave_open(self, line: Line) -> None:
        """Keep *line* open without using it, as long as there is room for it."""
        self.left_open.append(line)
        if len(self.left_open) > _LEFT_OPEN:
            self.left_open.popleft().abort()

    def hang_up(self) -> None:
        """Close the lines that were left open."""
        while self.left_open:
            self.left_open.pop().abort()


class Caller:
    """
    Makes the requests for one upload.

    Args:
        world: Where.
        record: What is known of the upload.
        rng: Decides what the client leaves to chance.
    """

    def __init__(self, world: World, record: Record, rng: random.Random) -> None:
        self._world = world
        self._record = record
        self._rng = rng
        self._line: Line | None = None
        self._asked = 0

    async def insist(self, step: Callable[[], Awaitable[T]]) -> T:
        """
        Do *step* until it works.

        Raises:
            Violated: The upload does not get on, or what *step* found.
        """
        for count in range(1_000_000):
            try:
                return await step()
            except Transient as reason:
                self._record.note(f"tries again: {reason}")
                await self.rest(count)
        raise AssertionError("nobody is that patient")

    async def rest(self, count: int) -> None:
        """Wait before try number *count*; raises `Violated` if the upload is stuck."""
        still = time.monotonic() - self._record.progress
        if still > self._world.stuck_after:
            self._world.ledger.violate(f"no progress for {still:.0f} s", self._record)
        await asyncio.sleep(_DELAYS[min(count, len(_DELAYS) - 1)] * self._rng.uniform(0.5, 1.5))

    async def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None = None,
        *,
        expect: frozenset[int],
    ) -> Answer:
        """
        Send a request, on the line that is there or a new one, and return an answer expected.

        Raises:
            Transient: There was no answer, or it was 409, 423, 503 or 507.
            Violated: There may be no such answer now.
        """
        request = self.request(method, path, headers, body)
        try:
            answer = await (await self._ready_line()).ask(request, patience=self._world.patience)
        except Broken as broken:
            if method == "PATCH":
                straight = self._line is not None and self._line.address == self._world.direct
                self._record.broke_straight = straight
            self._leave()
            self._record.note(f"{request.headers['X-Request-ID']} {broken}")
            raise Transient(str(broken)) from broken
        self.judge(request, answer, expect)
        return answer

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None = None,
    ) -> Request:
        """Return a request with what all of them have, and a name that the server logs."""
        self._asked += 1
        name = f"u{self._record.number}.{self._asked}-{method}"
        headers = {"Tus-Resumable": "1.0.0", "X-Request-ID": name, **headers}
        if body is None:
            headers |= {} if method in ("HEAD", "GET") else {"Content-Length": "0"}
        sent = {name: value for name, value in headers.items() if name != "Upload-Metadata"}
        self._record.note(f"{method} {sent}")
        return Request(method, path, headers, body)

    def judge(self, request: Request, answer: Answer, expect: frozenset[int]) -> None:
        """Count an answer; raise `Transient` or `Violated` unless it was expected."""
        world, record, status = self._world, self._record, answer.status
        world.figures.statuses[status] += 1
        name = request.headers["X-Request-ID"]
        record.note(f"{name} is answered {status} {answer.headers.get('upload-offset', '')}")
        if status in expect:
            return
        # On HEAD only 423 makes tus-js-client keep the upload; all else makes it start from zero.
        head = request.method == "HEAD"
        if status == 423 or (status == 409 and request.method == "PATCH"):
            raise Transient(str(status), status)
        if not head and world.timeline.excuses(status, request.began):
            raise Transient(str(status), status)
        faults = ", ".join(sorted(world.timeline.since(request.began))) or "no fault"
        text = answer.body[:300].decode(errors="replace")
        world.ledger.violate(f"{request.method} was answered {status} ({faults}): {text}", record)

    def hang_up(self) -> None:
        """Close the line, if there is one."""
        if self._line is not None:
            # What was not sent by now is nothing that anybody waits for.
            end = self._line.close if self._line.is_reusable else self._line.abort
            end()
            self._line = None

    async def _ready_line(self) -> Line:
        if self._line is not None and self._line.is_reusable and self._asked % _REQUESTS_PER_LINE:
            return self._line
        self.hang_up()
        self._line = await Line.open(self._world.way(self._rng))
        return self._line

    def _leave(self) -> None:
        """Turn away from a broken line, in one of the ways in which clients do."""
        if self._line is not None:
            manner = self._rng.random()
            if manner < 0.4:
                self._line.close()
            elif manner < 0.7:
                self._line.abort()
            else:
                self._world.leave_open(self._line)
        self._line = None
