"""A client that uploads one thing in its own way, until all of it is there."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

from tests.faults.soak import bodies
from tests.faults.soak.bodies import describe
from tests.faults.soak.calls import PATH, Transient
from tests.faults.soak.inspector import Inspector
from tests.faults.soak.ledger import Record
from tests.faults.soak.timeline import ENDS_PROCESSES
from tests.faults.soak.wire import Answer, Broken, Line

_CREATED = frozenset({201})
_APPENDED = frozenset({204})
#: The most that goes over a line before it hangs.
_BEFORE_HANGING = 1024 * 1024
_FEW = 16 * 1024


class Uploader(Inspector):
    """Carries out one plan; every method raises `Violated` where the server breaks a promise."""

    async def upload(self) -> None:
        """Create the upload, and append until it is complete, or to be terminated."""
        await self.create()
        await self.append_all()

    async def create(self) -> None:
        """Create the upload, as often as it takes to get an answer."""
        await self.insist(self._create)

    async def append_all(self) -> None:
        """Append until all is there, asking for the offset after each failure."""
        failures = 0
        while not self._is_done():
            try:
                await self._append()
                failures = 0
            except Transient as reason:
                self._record.note(f"asks where it stands: {reason}")
                await self.rest(failures)
                failures += 1
                await self.insist(self.inspect)

    async def join(self, parts: list[Record]) -> None:
        """Create the final upload of *parts*, as often as it takes to get an answer."""
        urls = " ".join(str(part.path) for part in parts)
        headers = {"Upload-Concat": f"final;{urls}"}
        await self.insist(lambda: self.make(headers, None))
        self._record.reached = self._record.source.length

    async def wait_until_joined(self) -> None:
        """Ask for the offset until there is one; it is the length then."""
        self._record.moved()  # its parts did, until now
        await self.insist(self._look_whether_joined)
        if not self._record.is_complete:
            self._world.ledger.violate("a final upload is joined, but not whole", self._record)

    async def terminate(self) -> None:
        """Terminate the upload, perhaps beside a line that hangs; make sure that it is gone."""
        record = self._record
        if record.floor < record.plan.length and not record.plan.chunked:
            with suppress(Broken):
                await self.leave_hanging(record.floor, record.plan.length)
        await self.remove()

    def _is_done(self) -> bool:
        until = self._record.plan.until
        return self._record.is_complete or (until is not None and self._record.floor >= until)

    async def _look_whether_joined(self) -> None:
        floor = self._record.floor
        answer = await self.ask_offset()
        if answer.offset is None:
            raise Transient("not joined yet")
        self.accept(answer, floor)

    # --- Creation ---

    async def _create(self) -> None:
        record, plan = self._record, self._record.plan
        # Nobody can resume where the creation had no answer: its URL is not known.
        self._world.figures.vain += record.sent
        record.reached = record.sent = 0
        length = {"Upload-Defer-Length": "1"} if plan.deferred else {}
        headers = length or {"Upload-Length": str(plan.length)}
        headers |= {"Upload-Concat": "partial"} if plan.part else {}
        body, more = None, {}
        if plan.first is not None:
            body, more = bodies.body(record, 0, plan.first), describe(record, 0, plan.first)
        answer = await self.make(headers | more, body)
        if plan.first is not None:
            self.accept_offset(answer, floor=0)
            if record.boundaries is not None:
                record.boundaries |= {0, plan.first}
        record.declared = not plan.deferred

    async def make(self, headers: dict[str, str], body: AsyncIterator[bytes] | None) -> Answer:
        """Send the POST, with a name by which the upload can be known; note its URL."""
        ledger, record = self._world.ledger, self._record
        # A final upload is known again by its metadata, so these do not change.
        name = f"{record.number}" if "final" in headers.get("Upload-Concat", "") else ""
        name = name or f"{record.number}.{self._asked}"
        ledger.unanswered.add(name)
        metadata = {"Upload-Metadata": f"soak {base64.b64encode(name.encode()).decode()}"}
        began = time.monotonic()
        try:
            answer = await self.call("POST", PATH, headers | metadata, body, expect=_CREATED)
        except Transient as reason:
            if reason.status not in (None, 507):
                ledger.unanswered.discard(name)  # it was refused
            if reason.status is None and self._world.timeline.since(began) & ENDS_PROCESSES:
                ledger.interrupted += 1
            raise
        ledger.unanswered.discard(name)
        record.path = urlsplit(answer.headers["location"]).path
        record.moved()
        return answer

    # --- Bytes ---

    async def _append(self) -> None:
        """Send one PATCH from where the upload stands, or two, or one that does not end."""
        record, plan = self._record, self._record.plan
        start = record.floor
        stop = min(start + plan.step, plan.length)
        if self._rng.random() < plan.hung and stop - start > 1:
            await self._append_and_hang(start, stop)
        elif self._rng.random() < plan.twice:
            await self._append_twice(start, stop)
        else:
            spoiled = self._rng.random() < plan.spoiled and stop > start
            await self._append_once(start, stop, spoiled=spoiled)

    async def _append_once(self, start: int, stop: int, *, spoiled: bool = False) -> None:
        record, plan = self._record, self._record.plan
        floor = record.floor
        declares = plan.deferred and stop == plan.length and (not plan.told_last or start == stop)
        headers = describe(record, start, stop, spoiled=spoiled)
        headers |= {"Upload-Offset": str(start)}
        headers |= {"Upload-Length": str(plan.length)} if declares else {}
        if record.boundaries is not None:
            record.boundaries |= {start} if spoiled else {start, stop}
        body = bodies.body(record, start, stop, spoiled=spoiled)
        expect = frozenset({460}) if spoiled else _APPENDED
        try:
            answer = await self.call("PATCH", self.path, headers, body, expect=expect)
        except Transient as reason:
            self._world.figures.counts["PATCHes tried again"] += 1
            raise reason
        if spoiled:
            self._world.figures.counts["checksums that did not hold"] += 1
            raise Transient("460, as it should be")
        record.declared = record.declared or declares
        if self.accept_offset(answer, floor) != stop:
            self._world.ledger.violate(f"204 with {answer.offset}, not {stop}", record)

    async def _append_twice(self, start: int, stop: int) -> None:
        """Send the same PATCH on two connections, as Chromium does after a reset."""
        self._world.figures.counts["PATCHes sent twice"] += 1
        rival = Uploader(self._world, self._record, self._rng)

        async def follow() -> None:
            await asyncio.sleep(self._rng.uniform(0, 0.05))
            await rival._append_once(start, stop)

        rivals = (self._append_once(start, stop), follow())
        try:
            ends = await asyncio.gather(*rivals, return_exceptions=True)
        finally:
            rival.hang_up()
        failures = [end for end in ends if end is not None]
        for failure in failures:
            if not isinstance(failure, Transient):
                raise failure
        if len(failures) == len(ends):
            raise Transient(" and ".join(str(failure) for failure in failures))

    async def _append_and_hang(self, start: int, stop: int) -> None:
        """Leave a PATCH hanging, and come back on another line."""
        began = time.monotonic()
        try:
            await self.leave_hanging(start, stop)
            if self._rng.random() < 0.3:
                # Without asking first: it is told the offset, or to come again.
                await self._append_once(start, stop)
            else:
                await self._measure(began)
        except Broken as broken:
            raise Transient(str(broken)) from broken

    async def leave_hanging(self, start: int, stop: int) -> None:
        """
        Send a part of a PATCH on a line that stays open.

        It is silent from then on, as after a lost network: no FIN, no reset, no byte. Raises
        `Broken` where not even that much goes through.
        """
        part = start + self._rng.randrange(min(stop - start, _BEFORE_HANGING))
        headers = describe(self._record, start, stop) | {"Upload-Offset": str(start)}
        request = self.request("PATCH", self.path, headers, bodies.body(self._record, start, part))
        line = await Line.open(self._world.direct)
        self._world.leave_open(line)
        await line.begin(request)
        self._world.figures.counts["lines left hanging"] += 1
        await asyncio.sleep(self._rng.uniform(0.02, 0.3))

    async def _measure(self, began: float) -> None:
        """Time HEAD beside the line that hangs since *began*, and a small PATCH after it."""
        line = await Line.open(self._world.direct)
        try:
            await self.time_head(line, began)
            await self._time_patch(line, began)
        finally:
            line.close()

    async def _time_patch(self, line: Line, began: float) -> None:
        """
        Note how long a few bytes take that nothing stands in the way of.

        They are written, flushed and committed, as the hung request's are before HEAD is answered:
        a machine that is too busy for the one is so for the other.
        """
        world, record = self._world, self._record
        start, floor = record.floor, record.floor
        stop = min(start + _FEW, record.plan.length)
        if start == stop:
            return
        headers = describe(record, start, stop) | {"Upload-Offset": str(start)}
        request = self.request("PATCH", self.path, headers, bodies.body(record, start, stop))
        answer = await line.ask(request, patience=world.patience)
        if not world.timeline.since(began):
            world.figures.small_patches.append(time.monotonic() - request.began)
        self.judge(request, answer, _APPENDED)
        self.accept_offset(answer, floor)
