"""Plays one conversation against a server."""

import asyncio

from tests.fuzz.answers import Answer, Violation, read_answers
from tests.fuzz.drafts import Draft, compose
from tests.fuzz.framing import Sent, read_requests
from tests.fuzz.judge import judge, upload_id_in
from tests.fuzz.ledger import Entry
from tests.fuzz.script import Burst, Conversation, Ending, Probe
from tests.fuzz.stage import Stage, exchange
from tests.fuzz.twists import apply
from tests.fuzz.wire import Wire, breathe

_PROBED = {"HEAD": {200, 404, 410}, "DELETE": {204, 404, 410}}


class Play:
    """
    One conversation, as it happens.

    Args:
        conversation: What the client does.
        stage: The uploads that it knows.
    """

    def __init__(self, conversation: Conversation, stage: Stage) -> None:
        self._sent = b""
        self.requests: list[Sent] = []
        self._stage = stage
        self._told: dict[str, int] = {}  # the largest offset of each upload that a probe was told
        self._conversation = conversation
        self._wire = Wire(stage.port, limit=stage.limit)
        self._drafted = 0
        self._segments = 0
        self._terminated: list[Entry] = []

    @property
    def answers(self) -> list[Answer]:
        """Return what came back by now."""
        return read_answers(self._wire.received, self.requests)

    @property
    def ending(self) -> str:
        return self._conversation.ending.kind

    async def prepare(self) -> None:
        """Create the uploads that the conversation is about."""
        await self._stage.set(self._conversation.uploads)

    async def perform(self) -> None:
        """
        Send everything, and judge what came back.

        Raises:
            Violation: The server did what it must never do.
        """
        await self._wire.connect()
        *bursts, last = self._conversation.bursts
        for burst in bursts:
            await self._send(burst, self._stream_of(burst))
            await self._settle()
            self._learn()
        await self._end(last, self._conversation.ending)
        early = self.ending in ("finish", "reset")
        judge(self.requests, self.answers, self._stage.ledger, left_early=early)
        for entry in self._terminated:
            entry.standing = "terminated"

    async def verify(self) -> None:
        """Make sure that every upload is as it has to be, and that the connection can end."""
        await self._stage.verify(self._told)
        if self.ending == "stay":
            self._wire.finish()
            await self._wire.until(lambda: self._wire.ended, "it does not close after a FIN")
            _ = self.answers  # raises where they are not proper

    async def close(self) -> None:
        await self._wire.close()

    def transcript(self) -> str:
        """Return what went over the connection, for people."""
        lines = [f"sent: {_shortened(self._sent)}", f"received: {_shortened(self._wire.received)}"]
        for request in read_requests(self._sent):
            what = f"{request.method} {request.target[:60]}" if request.method else "a request"
            doubt = ", doubtful" if request.doubtful else ""
            lines.append(f"  to be read as: {what}, {request.standing}{doubt} {request.reason}")
        return "\n".join(lines)

    async def _end(self, burst: Burst, ending: Ending) -> None:
        stream = self._stream_of(burst)
        if ending.kind == "patient":
            stream += compose(Draft("OPTIONS"), 99, self._stage.path_of, lambda _: 0).to_bytes()
            await self._send(burst, stream)
            await self._settle()
            self._wire.finish()
        else:
            await self._send(burst, stream[: ending.where.of(stream)])
            await breathe()
            if ending.kind == "stay":
                await self._settle()
                return
            if ending.kind == "reset":
                await self._wire.reset()
                return
            self._wire.finish()
        await self._wire.until(lambda: self._wire.ended, "it does not close after a FIN")

    def _stream_of(self, burst: Burst) -> bytes:
        """Return the bytes of a burst's requests, damaged as it says."""
        stream = b""
        for draft in burst.drafts:
            message = compose(draft, self._drafted, self._stage.path_of, self._stage.offset_of)
            for twist in draft.twists:
                apply(twist, message)
            stream += message.to_bytes()
            self._drafted += 1
            if draft.verb == "PATCH" and not draft.away and not draft.twists:
                self._stage.expect_more(draft.upload, draft.size or 0)
        for damage in burst.damage:
            stream = damage.done_to(stream)
        return stream

    async def _send(self, burst: Burst, stream: bytes) -> None:
        for segment in burst.segments(stream):
            self._sent += segment
            await self._wire.send(segment)
            await (asyncio.sleep(burst.pause) if burst.pause else breathe())
            self._segments += 1
            for probe in self._conversation.probes:
                if probe.after == self._segments:
                    await self._ask(probe)
        self.requests = read_requests(self._sent)

    async def _settle(self) -> None:
        """Wait until everything was answered that has to be, or the server closed."""
        await self._wire.until(self._is_settled, "a request is not answered")

    def _is_settled(self) -> bool:
        answers = self.answers
        if self._wire.ended:
            return True
        owed = 0
        for request in self.requests:
            if request.standing == "cut":
                break
            answer = answers[owed] if owed < len(answers) else None
            ends = answer is not None and answer.is_last
            if ends and (request.doubtful or request.standing != "whole"):
                return True  # what seems to be the rest of its body may be waited for
            if ends or request.is_last or request.standing != "whole":
                return False  # and now the connection has to end
            owed += 1
        return len(answers) >= owed and all(answer.whole for answer in answers)

    def _learn(self) -> None:
        """Take the ids and offsets that the server told for what comes next."""
        for request, answer in zip(self.requests, self.answers, strict=False):
            self._stage.learn(request, answer)

    async def _ask(self, probe: Probe) -> None:
        path = self._stage.path_of(probe.upload)
        draft = Draft(probe.verb, probe.upload)
        (_, answer), *_ = await exchange(self._stage, [draft], judged=False)
        if answer.status not in _PROBED[probe.verb]:
            raise Violation(f"{probe.verb} on another connection got {answer.status}")
        upload_id = upload_id_in(path) or ""
        entry = self._stage.ledger.find(upload_id)
        if entry is not None:
            entry.unpredictable = True
            if answer.status == 204:
                self._terminated.append(entry)
            if answer.offset is not None:
                self._told[upload_id] = max(answer.offset, self._told.get(upload_id, 0))


def _shortened(data: bytes) -> str:
    if len(data) <= 3000:
        return repr(data)
    return f"{data[:2000]!r} ... {len(data) - 2500} bytes ... {data[-500:]!r}"
