"""Calls run one after the other, without the event loop in between."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tusd_py.storage.in_order import InOrder


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def test_calls_run_in_the_order_in_which_they_were_asked_for(
    pool: ThreadPoolExecutor,
) -> None:
    line, ran = InOrder(pool), list[int]()

    def note(number: int) -> int:
        ran.append(number)
        return -number

    results = await asyncio.gather(*(line.submit(partial(note, n)) for n in range(200)))
    assert ran == list(range(200))
    assert results == [-number for number in range(200)]


async def test_next_call_does_not_wait_for_the_event_loop(pool: ThreadPoolExecutor) -> None:
    line, second = InOrder(pool), threading.Event()
    release = threading.Event()
    calls = [line.submit(work) for work in (release.wait, second.set)]
    release.set()
    # The loop stands still here.
    assert second.wait(5)
    await asyncio.gather(*calls)


async def test_failure_is_of_its_call_alone(pool: ThreadPoolExecutor) -> None:
    line = InOrder(pool)

    def fail() -> None:
        raise OSError("broken")

    outcomes = await asyncio.gather(
        line.submit(fail), line.submit(lambda: 1), return_exceptions=True
    )
    assert isinstance(outcomes[0], OSError)
    assert outcomes[1] == 1


async def test_is_busy_while_a_call_runs_or_waits(pool: ThreadPoolExecutor) -> None:
    line, release = InOrder(pool), threading.Event()
    assert not line.is_busy
    calls = [line.submit(release.wait) for _ in range(2)]
    assert line.is_busy
    release.set()
    await asyncio.gather(*calls)
    async with asyncio.timeout(5):
        while line.is_busy:
            await asyncio.sleep(0)
