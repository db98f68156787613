"""Plays conversations against one server, and makes sure that each leaves it as it was."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from tests.fuzz.answers import Violation
from tests.fuzz.demands import MAX_SIZE
from tests.fuzz.figures import Figures
from tests.fuzz.play import Play
from tests.fuzz.script import Conversation
from tests.fuzz.serving import Serving, serve
from tests.fuzz.stage import CAST, Stage

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes a private one inside

#: How much longer than anything else it may take until nothing is left of a connection that broke:
#: aiohttp waits ten seconds for the rest of a body that it unpacks itself.
_LEAVING = 1.5

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Session:
    """
    A server that is started anew whenever it did something wrong.

    Args:
        loop_factory: Makes the event loop that the server, and its clients, run on.
        figures: Counts what is reached.
        limit: How many seconds the server may take for anything; more is a hang.
        defect: A context in which the server has a defect, for tests of the fuzzer itself.
        settings: Of the server.
    """

    def __init__(
        self,
        loop_factory: LoopFactory,
        figures: Figures,
        *,
        limit: float = 8.0,
        defect: Callable[[], AbstractContextManager[Any]] = nullcontext,
        **settings: Any,
    ) -> None:
        self._loop_factory = loop_factory
        self._figures = figures
        self._limit = limit
        self._defect = defect
        self._settings = settings
        self._running: ExitStack | None = None
        self._runner: asyncio.Runner
        self._serving: Serving

    def examine(self, clients: tuple[Conversation, ...]) -> None:
        """
        Let *clients* speak to the server at the same time.

        Raises:
            Violation: The server did what it must never do; its notes tell what was sent.
        """
        try:
            if self._running is None:
                self._start()
            self._runner.run(self._examine(clients))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the server, if it runs."""
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def check(self) -> None:
        """
        Make sure that the server still does everything, and keeps nothing of what is over.

        Raises:
            Violation: It does not.
        """
        if self._running is not None:
            self._runner.run(self._examine((), extras=CAST))
            self._serving.check_memory()

    def _start(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._defect())
            self._runner = stack.enter_context(asyncio.Runner(loop_factory=self._loop_factory))
            place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="tusd-py-", dir=place))
            running = AsyncExitStack()
            stack.callback(lambda: self._runner.run(running.aclose()))
            serving = serve(Path(name) / "data", max_size=MAX_SIZE, **self._settings)
            self._serving = self._runner.run(running.enter_async_context(serving))
            self._running = stack.pop_all()
        self._runner.run(self._warm_up())

    async def _warm_up(self) -> None:
        """Let the server do everything once; what it then has open it may keep."""
        await self._examine((), extras=CAST)
        self._serving.settle_in()

    async def _examine(self, clients: tuple[Conversation, ...], extras: Iterable[str] = ()) -> None:
        stages = [Stage(self._serving, limit=self._limit) for _ in clients]
        plays = [
            Play(conversation, stage) for conversation, stage in zip(clients, stages, strict=True)
        ]
        spare = Stage(self._serving, limit=self._limit)
        try:
            await spare.set(extras)
            for play in plays:
                await play.prepare()
            await _all_at_once(plays)
            for play in plays:
                await play.verify()
                self._figures.count(play.requests, play.answers, play.ending)
                await play.close()
            for stage in (spare, *stages):
                await stage.strike()
            await self._sweep((spare, *stages))
        except Violation as violation:
            for play in plays:
                violation.add_note(play.transcript())
            raise
        finally:
            for play in plays:
                await play.close()

    async def _sweep(self, stages: Iterable[Stage]) -> None:
        """Make sure that nothing is left but what clients could not know of; remove that."""
        known = [upload_id for stage in stages for upload_id in stage.ledger.entries]
        await self._serving.rest(known, limit=_LEAVING * self._limit)
        service = self._serving.service
        rows = {row.id for row in await service.list_uploads()}
        strangers = rows.difference(known)
        expired = {upload_id for stage in stages for upload_id in stage.expired()}
        if len(strangers) > sum(stage.ledger.unheard for stage in stages):
            raise Violation(f"uploads that nobody asked for: {strangers}")
        if undead := rows.intersection(known) - expired:
            raise Violation(f"uploads that were terminated: {undead}")
        for upload_id in rows:
            await service.remove(upload_id)
        if left := [each for each in known if self._serving.file_of(each).exists()]:
            raise Violation(f"files of uploads that are gone: {left}")


async def _all_at_once(plays: list[Play]) -> None:
    """Perform *plays*; raises the first `Violation` of one, and breaks off the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for play in plays:
                group.create_task(play.perform())
    except BaseExceptionGroup as failed:
        violations, others = failed.split(Violation)
        if violations is None or others is not None:
            raise
        # Raised in an `except*` it would come in a group again, before Python 3.11.4.
        raise violations.exceptions[0] from None
