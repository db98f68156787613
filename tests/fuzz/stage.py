"""The uploads that a conversation is about, in every state that there is."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.answers import Answer, Violation, read_answers
from tests.fuzz.drafts import VICTIM, Draft, compose
from tests.fuzz.framing import Sent, read_requests
from tests.fuzz.judge import judge, path_in, upload_id_in
from tests.fuzz.ledger import Entry, Ledger
from tests.fuzz.serving import Serving
from tests.fuzz.wire import Wire

_LONG_AGO = 8 * 86_400.0
_PARTIAL = ("Upload-Concat", "partial")


def _length(length: int) -> tuple[str, str]:
    return ("Upload-Length", str(length))


#: How each upload is made.
CAST: Final[dict[str, Draft]] = {
    "open": Draft("POST", fields=(_length(300),)),
    "begun": Draft("POST", size=7, fields=(_length(300),)),
    "large": Draft("POST", fields=(_length(400_000),)),
    "deferred": Draft("POST", fields=(("Upload-Defer-Length", "1"),)),
    "finished": Draft("POST", size=26, fields=(_length(26), ("Upload-Metadata", "filename YS5i"))),
    "empty": Draft("POST", fields=(_length(0),)),
    "part": Draft("POST", size=5, fields=(_length(5), _PARTIAL)),
    "rest": Draft("POST", size=4, fields=(_length(9), _PARTIAL)),
    "joined": Draft("POST", parts=("part",)),
    "promised": Draft("POST", parts=("part", "rest")),
    "gone": Draft("POST", size=5, fields=(_length(9),)),
    "expired": Draft("POST", size=5, fields=(_length(9),)),
    VICTIM: Draft("POST", fields=(_length(5),)),
}
#: What is created on the way, and an upload that never was.
NEW: Final = ("new0", "new1", "new2")
UNKNOWN: Final = "unknown"


class Stage:
    """
    The uploads that one client knows.

    Args:
        serving: Where they are.
        limit: How many seconds the server may take for anything.
    """

    def __init__(self, serving: Serving, *, limit: float) -> None:
        self.ledger = Ledger()
        self.port = serving.port
        self.limit = limit
        self._serving = serving
        self._paths: dict[str, str] = {}
        self._offsets: dict[str, int] = {}  # where each path should be, if all went well
        self._learned = 0

    async def set(self, names: Iterable[str]) -> None:
        """Create the uploads that *names* asks for."""
        wanted = {name for name in names if name in CAST}
        parts = {part for name in wanted for part in CAST[name].parts}
        first = sorted(name for name in wanted | parts if not CAST[name].parts)
        finals = sorted(name for name in wanted if CAST[name].parts)
        await self._create([name for name in first if name != "expired"])
        await self._create(finals)
        if "gone" in wanted:
            await exchange(self, [Draft("DELETE", "gone")])
        if "expired" in wanted:
            self._serving.clock.ahead = -_LONG_AGO
            await self._create(["expired"])
            self._serving.clock.ahead = 0.0
            self._entry("expired").standing = "expired"

    def path_of(self, name: str) -> str:
        return self._paths.get(name, f"/files/{len(name):032x}")

    def offset_of(self, name: str) -> int:
        return self._offsets.get(self.path_of(name), 0)

    def expect_more(self, name: str, size: int) -> None:
        """Note that *size* bytes are on their way."""
        self._offsets[self.path_of(name)] = self.offset_of(name) + size

    def learn(self, request: Sent, answer: Answer) -> None:
        """Take what the server told."""
        path = path_in(answer)
        if answer.status == 201 and path not in self._paths.values():
            self._paths[f"new{self._learned}"] = path
            self._learned += 1
        if answer.offset is not None:
            self._offsets[path or request.target] = answer.offset

    def expired(self) -> list[str]:
        """Return the ids of the uploads whose time is over, which no client can terminate."""
        entries = self.ledger.entries.items()
        return [upload_id for upload_id, entry in entries if entry.standing == "expired"]

    async def _create(self, names: Sequence[str]) -> None:
        exchanged = await exchange(self, [CAST[name] for name in names])
        for name, (request, answer) in zip(names, exchanged, strict=True):
            if answer.status != 201:
                raise Violation(f"a proper creation got {answer.status}: {answer.body!r}")
            self._paths[name] = path_in(answer)
            self._offsets[self._paths[name]] = len(request.body)

    def _entry(self, name: str) -> Entry:
        entry = self.ledger.find(upload_id_in(self.path_of(name)) or "")
        assert entry is not None
        return entry

    async def verify(self, told: dict[str, int]) -> None:
        """
        Ask for every upload, and look at its bytes.

        Raises:
            Violation: One is not what it has to be.
        """
        entries = list(self.ledger.entries.items())
        heads = [Draft("HEAD", self._name(entry)) for _, entry in entries]
        for (upload_id, entry), (_, answer) in zip(
            entries, await exchange(self, heads, judged=False), strict=True
        ):
            expected = {"there": {200}, "perhaps": {200, 404}, "expired": {410}}
            if answer.status not in expected.get(entry.standing, {404}):
                raise Violation(f"HEAD got {answer.status} for {entry}")
            if answer.status == 200 and answer.offset is not None:
                if answer.offset < told.get(upload_id, 0):
                    raise Violation(f"the offset was {told[upload_id]} and is now {answer.offset}")
                self.ledger.settle(entry)
                entry.observe(answer.offset)
                entry.check(_first_bytes(self._serving.file_of(upload_id), answer.offset))

    async def strike(self) -> None:
        """Terminate what is left, final uploads first; their files have to go with them."""
        left = [each for each in self.ledger.entries.values() if each.standing != "terminated"]
        left.sort(key=lambda entry: entry.kind != "final")
        drafts = [Draft("DELETE", self._name(entry)) for entry in left]
        for entry, (_, answer) in zip(
            left, await exchange(self, drafts, judged=False), strict=True
        ):
            expected = {"there": {204}, "perhaps": {204, 404}, "expired": {410}}
            if answer.status not in expected[entry.standing]:
                raise Violation(f"DELETE got {answer.status} for {entry}")

    def _name(self, entry: Entry) -> str:
        self._paths[entry.path] = entry.path
        return entry.path


async def exchange(
    stage: Stage, drafts: Sequence[Draft], *, judged: bool = True
) -> list[tuple[Sent, Answer]]:
    """Send proper requests on a connection of their own, and return them with their answers."""
    stream = b"".join(
        compose(draft, number, stage.path_of, stage.offset_of).to_bytes()
        for number, draft in enumerate(drafts)
    )
    requests = read_requests(stream)
    wire = Wire(stage.port, limit=stage.limit)

    def answers() -> list[Answer]:
        return read_answers(wire.received, requests)

    def answered() -> bool:
        return wire.ended or sum(answer.whole for answer in answers()) == len(requests)

    try:
        await wire.connect()
        await wire.send(stream)
        await wire.until(answered, "proper requests are not answered")
    finally:
        await wire.close()
    found = answers()
    if len(found) < len(requests):
        raise Violation(f"{len(found)} answers to {len(requests)} proper requests")
    if judged:
        judge(requests, found, stage.ledger, left_early=False)
    return list(zip(requests, found, strict=True))


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
