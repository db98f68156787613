"""A client that looks after one upload: asks for its offset, reads it back, removes it."""

import time

from tests.faults.soak.calls import Caller, Transient
from tests.faults.soak.contents import Comparison
from tests.faults.soak.ledger import Presence
from tests.faults.soak.plans import MIB
from tests.faults.soak.wire import Answer, Broken, Line

_FOUND = frozenset({200})
_MISSING = frozenset({404, 410})
#: Downloads of fewer bytes go over the bad network; larger ones would hardly come to their end.
_SMALL = 1024 * 1024
#: The most that an interruption may cost: `checkpoint_bytes`, and what was on its way, in the
#: server's buffers and in those of the kernel.
_MOST_RESENT = (40 + 24) * MIB
#: Seconds to wait for a HEAD that is measured; longer than the server's own limit for it.
_MEASURED = 15.0


class Inspector(Caller):
    """Every method raises `Violated` where the server breaks a promise."""

    async def inspect(self) -> None:
        """Ask where to go on; raises `Transient`."""
        floor = self._record.floor
        self.accept(await self.ask_offset(), floor)

    async def read_back(self) -> None:
        """Download the upload, and compare every byte."""
        self._record.moved()
        comparison = Comparison(self._record.source)
        await self.insist(lambda: self._read_on(comparison))
        self._world.figures.sent += comparison.position
        self._record.moved()

    async def remove(self) -> None:
        """Terminate the upload, and make sure that it is gone."""
        self._record.moved()
        self._record.presence = Presence.GOING
        await self.insist(self._terminate)
        self._record.presence = Presence.GONE
        await self.insist(self._miss)

    async def time_head(self, line: Line, began: float) -> None:
        """
        Note how long HEAD takes beside an older request, sent at *began*, that hangs on its line.

        Raises `Broken` or `Transient`.
        """
        world, floor = self._world, self._record.floor
        request = self.request("HEAD", self.path, {})
        answer = await line.ask(request, patience=_MEASURED)
        seconds = time.monotonic() - request.began
        if world.timeline.since(began):
            world.figures.excused.append(seconds)
        else:
            world.figures.hand_overs.append(seconds)
            if answer.status == 423:
                what = f"HEAD got 423 beside a hung line ({seconds:.1f} s)"
                world.ledger.violate(what, self._record)
        self.judge(request, answer, _FOUND)
        self.accept(answer, floor)

    @property
    def path(self) -> str:
        """Return the path of its URL, which a server has told."""
        assert self._record.path is not None
        return self._record.path

    async def ask_offset(self) -> Answer:
        """Return the answer to HEAD; raises `Transient`."""
        return await self.call("HEAD", self.path, {}, expect=_FOUND)

    def accept(self, answer: Answer, floor: int) -> None:
        """Take what HEAD says for true, unless it cannot be."""
        record = self._record
        length = answer.headers.get("upload-length")
        if length is None and record.declared:
            self._world.ledger.violate("HEAD does not know the length any more", record)
        if length is not None:
            if int(length) != record.source.length:
                self._world.ledger.violate(f"HEAD says that its length is {length}", record)
            record.declared = True
        self.accept_offset(answer, floor)
        again = record.resumed()
        # On a bad line a client may send on and on into a request that was refused long ago: the
        # answer is lost, and the server drains what comes.
        if record.broke_straight and again > _MOST_RESENT:
            self._world.ledger.report(f"{again} bytes have to be sent again", record)

    def accept_offset(self, answer: Answer, floor: int) -> int:
        """Return the offset in *answer*, unless it cannot be; *floor* was acknowledged before."""
        if answer.offset is None:
            self._world.ledger.violate(f"{answer.status} without Upload-Offset", self._record)
        self._world.ledger.promise(self._record, answer.offset, floor=floor)
        return answer.offset

    async def _read_on(self, comparison: Comparison) -> None:
        """Download what is still to be compared; raises `Transient` where that breaks off."""
        record, world = self._record, self._world
        position, length = comparison.position, record.source.length
        headers = {"Range": f"bytes={position}-"} if position else {}
        request = self.request("GET", self.path, headers)
        line = None
        try:
            small = length - position < _SMALL
            line = await Line.open(world.way(self._rng) if small else world.direct)
            answer = await line.download(request, comparison.feed, patience=world.patience)
            self.judge(request, answer, frozenset({206}) if position else _FOUND)
        except Broken as broken:
            raise Transient(str(broken)) from broken
        finally:
            if line is not None:
                line.close()
            if comparison.position > position:
                record.moved()
            if comparison.wrong_at is not None:
                world.ledger.violate(f"byte {comparison.wrong_at} is wrong", record)
        if not comparison.is_whole:
            told = answer.headers.get("content-length")
            world.ledger.violate(f"GET from {position} gave {told} bytes of {length}", record)

    async def _terminate(self) -> None:
        ledger, record = self._world.ledger, self._record
        again = record.upload_id in ledger.doubtful
        expect = frozenset({204, 404, 410}) if again else frozenset({204})
        ledger.doubtful.add(record.upload_id)
        await self.call("DELETE", self.path, {}, expect=expect)
        if not again:
            ledger.doubtful.discard(record.upload_id)

    async def _miss(self) -> None:
        await self.call("HEAD", self.path, {}, expect=_MISSING)
