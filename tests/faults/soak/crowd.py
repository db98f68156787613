"""Clients who upload one thing after the other, each until it is there and was read back."""

import asyncio
import random
from collections.abc import Coroutine

from tests.faults.soak.calls import World
from tests.faults.soak.contents import Content, Joined
from tests.faults.soak.ledger import Presence, Record, Violated
from tests.faults.soak.plans import Kind, Plan, Sizes, draw
from tests.faults.soak.uploader import Uploader

#: Uploads that stay until the end, so that it can be seen what became of them; the rest makes
#: room for others.
_KEPT = 0.15
_KEPT_BYTES = 256 * 1024 * 1024


class Crowd:
    """
    All clients.

    Args:
        world: Where they upload to.
        seed: Decides what they upload.
        sizes: How large the largest uploads are.

    Attributes:
        over: Set when no client shall begin anything new.
        kept: The records of uploads that were left there.
    """

    def __init__(self, world: World, *, seed: int, sizes: Sizes) -> None:
        self.over = asyncio.Event()
        self.kept: list[Record] = []
        self._world = world
        self._seed = seed
        self._sizes = sizes
        self._rng = random.Random(seed)
        self._deck: list[Kind] = []
        self._large = asyncio.Semaphore(sizes.at_once)
        self._count = 0

    async def upload_each_kind(self) -> None:
        """Make one upload of every kind."""
        await asyncio.gather(*(self._upload(kind) for kind in Kind))

    async def go_on(self, clients: int) -> None:
        """Let so many *clients* upload until it is over and each has finished its last one."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._go_on())

    async def _go_on(self) -> None:
        # Not all at once: a thousand connections in one moment are not what is looked for here.
        await asyncio.sleep(self._rng.uniform(0, 1))
        while not self.over.is_set():
            if not self._deck:
                self._deck = self._rng.sample(list(Kind), k=len(Kind))
            await self._upload(self._deck.pop())

    async def _upload(self, kind: Kind) -> None:
        """Make one upload; after a violation there is nothing more to be learned from it."""
        self._count += 1
        rng = random.Random(f"{self._seed} {self._count}")
        plan = draw(kind, rng, self._sizes)
        try:
            if plan.is_large:
                async with self._large:
                    if not self.over.is_set():
                        await self._carry_out(plan, rng)
            else:
                await self._carry_out(plan, rng)
            self._world.figures.counts["uploads"] += 1
            self._world.figures.counts[f"uploads: {kind}"] += 1
        except Violated:
            pass  # the ledger has it

    async def _carry_out(self, plan: Plan, rng: random.Random) -> None:
        if plan.kind is Kind.PARTS:
            await self._upload_parts(plan, rng)
            return
        content = Content(rng.getrandbits(60), plan.length)
        record = self._world.ledger.open(plan, content)
        uploader = Uploader(self._world, record, rng)
        try:
            await uploader.upload()
            if plan.until is not None:
                await uploader.terminate()
            else:
                await uploader.read_back()
                await self._keep_or_terminate(uploader, record, rng)
        finally:
            self._finish(uploader, record)

    async def _upload_parts(self, plan: Plan, rng: random.Random) -> None:
        """Upload two to four parts at the same time, and join them, before or after."""
        count = rng.randrange(2, 5)
        lengths = [plan.length // count] * (count - 1)
        lengths.append(plan.length - sum(lengths))
        parts = [self._begin_part(length, rng) for length in lengths]
        whole = Joined([record.source for _, record in parts])
        record = self._world.ledger.open(plan, whole)
        final = Uploader(self._world, record, rng)
        try:
            await all_of(*(part.create() for part, _ in parts))
            records = [part_record for _, part_record in parts]
            early = rng.random() < 0.3
            if early:
                await final.join(records)
            await all_of(*(part.append_all() for part, _ in parts))
            if not early:
                await final.join(records)
            # The promise is made: the parts may go, whether or not they are joined by now.
            for part, _ in parts if rng.random() < 0.5 else []:
                await part.terminate()
            await final.wait_until_joined()
            await final.read_back()
            for part, part_record in parts:
                if part_record.presence is Presence.THERE:
                    await part.terminate()
            await self._keep_or_terminate(final, record, rng)
        finally:
            for each, each_record in [*parts, (final, record)]:
                self._finish(each, each_record)

    def _begin_part(self, length: int, rng: random.Random) -> tuple[Uploader, Record]:
        plan = Plan(Kind.PARTS, length, part=True, step=rng.choice([length // 2 + 1, 2**63]))
        record = self._world.ledger.open(plan, Content(rng.getrandbits(60), length))
        return Uploader(self._world, record, random.Random(rng.getrandbits(60))), record

    async def _keep_or_terminate(
        self, uploader: Uploader, record: Record, rng: random.Random
    ) -> None:
        room = _KEPT_BYTES - sum(each.source.length for each in self.kept)
        if rng.random() < _KEPT and record.source.length < room / 4:
            self.kept.append(record)
        else:
            await uploader.terminate()

    def _finish(self, uploader: Uploader, record: Record) -> None:
        uploader.hang_up()
        figures = self._world.figures
        figures.resent += record.resent
        figures.resent_most = max(figures.resent_most, record.resent)
        figures.resent_at_once = max(figures.resent_at_once, record.resent_at_once)
        if record not in self.kept:
            self._world.ledger.close(record)


async def all_of(*steps: Coroutine[None, None, None]) -> None:
    """Do all *steps* at the same time, each to its end, and raise what one of them raised."""
    for end in await asyncio.gather(*steps, return_exceptions=True):
        if end is not None:
            raise end
