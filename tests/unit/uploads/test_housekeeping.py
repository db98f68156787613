"""One process keeps house, again and again, whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tests.unit.uploads.fakes import BROKEN, NO_STATE
from tusd_py.errors import TusError
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.expiration import Sweeper
from tusd_py.uploads.finishing import Finishing
from tusd_py.uploads.housekeeping import Housekeeping


class Duties:
    """
    All that there is to do, each noted when it is done.

    Attributes:
        done: Their names, in order.
        error: Raised by each of those that are named.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: dict[str, TusError] = {}
        self.are_ours = True

    def duty(self, name: str) -> Callable[[], "asyncio.Future[None]"]:
        async def do() -> None:
            self.done.append(name)
            if name in self.errors:
                raise self.errors[name]

        return lambda: asyncio.ensure_future(do())


class Part:
    """What has some of them as its methods."""

    def __init__(self, duties: Duties, **names: str) -> None:
        for method, name in names.items():
            setattr(self, method, duties.duty(name))


@pytest.fixture
def duties() -> Duties:
    return Duties()


@asynccontextmanager
async def keeping(duties: Duties) -> AsyncIterator[Housekeeping]:
    house = Housekeeping(
        cast(Sweeper, Part(duties, sweep_routinely="sweep")),
        cast(Concatenation, Part(duties, resume_all="join", close="joined")),
        cast(Finishing, Part(duties, resume_all="finish", close="finished")),
        lambda: duties.are_ours,
        0.01,
    )
    task = asyncio.create_task(house.keep())
    try:
        yield house
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_done(duties: Duties, count: int) -> None:
    async with asyncio.timeout(5):
        while len(duties.done) < count:
            await asyncio.sleep(0.002)


async def test_it_begins_with_what_was_left_undone(duties: Duties) -> None:
    async with keeping(duties):
        await until_done(duties, 8)
    assert duties.done[:8] == [
        "join",
        "finish",
        "sweep",
        "join",
        "finish",
        "sweep",
        "join",
        "finish",
    ]


@pytest.mark.parametrize("name", ["join", "finish", "sweep"])
@pytest.mark.parametrize("error", [NO_STATE, BROKEN])
async def test_what_fails_keeps_nothing_back(
    duties: Duties, name: str, error: TusError, caplog: pytest.LogCaptureFixture
) -> None:
    duties.errors[name] = error
    async with keeping(duties):
        await until_done(duties, 8)
    assert duties.done[:5] == ["join", "finish", "sweep", "join", "finish"]
    message = f"Housekeeping failed and is tried again in 0.01s: {error.message}"
    assert {record.message for record in caplog.records} == {message}


async def test_only_one_process_keeps_house_and_another_takes_over(duties: Duties) -> None:
    duties.are_ours = False
    async with keeping(duties):
        await asyncio.sleep(0.05)
        assert duties.done == []
        duties.are_ours = True
        await until_done(duties, 3)
    assert duties.done[:3] == ["sweep", "join", "finish"]


async def test_close_waits_for_what_is_under_way(duties: Duties) -> None:
    async with keeping(duties) as house:
        await house.close()
    assert [each for each in duties.done if each.endswith("ed")] == ["joined", "finished"]
