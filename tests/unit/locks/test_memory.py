"""Whatever comes in whatever order, one is inside, the next gets in, and nothing is left over."""

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.examples import upload_id
from tusd_py.errors import Displaced, LockTimeout, ServerStopping
from tusd_py.locks.memory import MemoryLocker

A = upload_id(0xA)
VISITORS = 6


@dataclass
class Story:
    """
    Visitors of one upload, and a line of them as it should be.

    Attributes:
        entered: Who got in, in order.
        line: Who should be inside, and who should follow in which order.
    """

    locker: MemoryLocker
    inside: int | None = None
    entered: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    leave: dict[int, asyncio.Event] = field(default_factory=dict)

    async def visit(self, number: int) -> None:
        async with self.locker.hold(A):
            assert self.inside is None, "two are inside"
            self.inside = number
            self.entered.append(number)
            try:
                await self.leave[number].wait()
            finally:
                self.inside = None

    def arrive(self, number: int) -> None:
        if number not in self.tasks:
            self.leave[number] = asyncio.Event()
            self.tasks[number] = asyncio.create_task(self.visit(number))
            self.line.append(number)

    def send_away(self, number: int) -> None:
        if number in self.leave:
            self.leave[number].set()

    def cancel(self, number: int) -> None:
        if number in self.tasks:
            self.tasks[number].cancel()

    async def settle(self) -> None:
        for _ in range(10 * VISITORS):
            await asyncio.sleep(0)

    def check(self) -> None:
        """Make sure that the first of those who are still there is inside."""
        self.line = [number for number in self.line if not self.tasks[number].done()]
        assert self.inside == (self.line[0] if self.line else None)


STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, VISITORS - 1)),
    st.tuples(st.just("send_away"), st.integers(0, VISITORS - 1)),
    st.tuples(st.just("cancel"), st.integers(0, VISITORS - 1)),
    st.tuples(st.just("tick"), st.integers(1, 3)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_any_story_has_one_inside_and_loses_no_turn(steps: list[tuple[str, int]]) -> None:
    async def tell() -> None:
        story = Story(MemoryLocker(new_epoch=itertools.count(1).__next__, timeout=60))
        for step, number in steps:
            match step:
                case "arrive":
                    story.arrive(number)
                case "send_away":
                    story.send_away(number)
                case "cancel":
                    story.cancel(number)
                case _:
                    for _ in range(number):
                        await asyncio.sleep(0)
        await story.settle()
        story.check()
        while story.line:
            story.send_away(story.line[0])
            await story.settle()
            story.check()
        assert not story.locker._turns._lines, "an empty line was kept"
        for task in story.tasks.values():
            if not task.cancelled():
                task.result()

    asyncio.run(tell())


async def test_epochs_begin_where_the_state_store_says() -> None:
    locker = MemoryLocker(new_epoch=itertools.count(41).__next__, timeout=1)
    async with locker.hold(A) as hold:
        assert hold.epoch == 41
    async with locker.hold(A) as hold:
        assert hold.epoch == 42


async def test_first_reason_to_let_go_stands() -> None:
    locker = MemoryLocker(new_epoch=itertools.count(1).__next__, timeout=0.02)
    async with locker.hold(A) as hold:
        with pytest.raises(LockTimeout):
            async with locker.hold(A):
                pass
        locker.stop()
        assert isinstance(hold.wanted, Displaced)


async def test_uploads_nobody_wants_take_no_memory() -> None:
    locker = MemoryLocker(new_epoch=itertools.count(1).__next__, timeout=0.01)
    for number in range(20):
        async with locker.hold(upload_id(number)):
            with pytest.raises(LockTimeout):
                async with locker.hold(upload_id(number)):
                    pass
    locker.stop()
    with pytest.raises(ServerStopping):
        async with locker.hold(A):
            pass
    assert not locker._turns._lines
