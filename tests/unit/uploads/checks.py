"""A check that a test has in its hand, and what its uploads wait for."""

import asyncio
from collections.abc import Callable

from tests.contracts.examples import an_upload
from tests.unit.uploads.conftest import World
from tusd_py.content.check import Check, Foresees, LooksEarly, Read
from tusd_py.errors import CheckUnavailable, ContentRefused, TusError
from tusd_py.protocol.upload import Upload, UploadState

CHECKING = an_upload(1, length=5, offset=5, state=UploadState.CHECKING, expires_at=None)


def refusal(_: Upload) -> ContentRefused:
    """Do not want it."""
    return ContentRefused("It is not wanted.")


def unavailable(_: Upload) -> CheckUnavailable:
    """Be unable to say."""
    return CheckUnavailable("the scanner is away")


class ScriptedCheck(Check):
    """
    Lets everything pass, until it is told otherwise.

    Attributes:
        verdict: Raised, where there is one.
        seen: What it was shown, whole.
        may_go_on: What it waits for before it says anything.
        most: As many uploads as it looked at together.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.verdict: Callable[[Upload], TusError | None] = lambda _: None
        self.seen: list[bytes] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.at_once = 0
        self.most = 0

    async def examine(self, upload: Upload, read: Read) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            self.seen.append(await read(0, upload.offset) if upload.offset else b"")
            await self.may_go_on.wait()
        finally:
            self.at_once -= 1
        error = self.verdict(upload)
        if error is not None:
            raise error


class EarlyCheck(ScriptedCheck, Foresees, LooksEarly):
    """
    One that also looks early.

    Attributes:
        foreseen: Raised at the creation, where there is something.
        early: Raised for first bytes, where there is something.
        heads: The first bytes that it was shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.foreseen: Callable[[Upload], TusError | None] = lambda _: None
        self.early: Callable[[bytes], TusError | None] = lambda _: None
        self.heads: list[bytes] = []

    def foresee(self, upload: Upload) -> None:
        error = self.foreseen(upload)
        if error is not None:
            raise error

    def wants_head(self, upload: Upload) -> bool:
        return True

    async def look(self, upload: Upload, head: bytes) -> None:
        self.heads.append(head)
        error = self.early(head)
        if error is not None:
            raise error


async def until(world: World, upload: Upload, state: UploadState | None) -> Upload | None:
    """Wait until *upload* stands so, None for gone, and return it."""
    async with asyncio.timeout(5):
        while True:
            found = await world.found(upload)
            if (found and found.state) is state:
                return found
            await asyncio.sleep(0.005)
