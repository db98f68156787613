"""Calls that come together run together, in order, and each learns its own outcome."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from tusd_py.batch_thread import BatchThread, Call

PATIENCE = 5.0


class Executor:
    """Runs batches as they come, and remembers how large they were and on which thread."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, batch: Sequence[Call["Executor", Any]]) -> None:
        self.batches.append(len(batch))
        self.threads.add(threading.get_ident())
        for call in batch:
            try:
                call.result = call.work(self)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
                call.error = error


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
async def thread(executor: Executor) -> AsyncIterator[BatchThread[Executor]]:
    made: BatchThread[Executor] = BatchThread("test", execute=executor, limit=50)
    yield made
    async with asyncio.timeout(PATIENCE):
        await made.close()


def returning(value: int) -> Callable[[Executor], int]:
    return lambda _: value


async def test_calls_of_one_turn_share_a_batch(
    thread: BatchThread[Executor], executor: Executor
) -> None:
    outcomes = await asyncio.gather(*(thread.submit(returning(each)) for each in range(40)))
    assert outcomes == list(range(40))
    assert executor.batches == [40]
    assert executor.threads.isdisjoint({threading.get_ident()})


async def test_no_batch_is_larger_than_the_limit(
    thread: BatchThread[Executor], executor: Executor
) -> None:
    await asyncio.gather(*(thread.submit(returning(each)) for each in range(120)))
    assert executor.batches == [50, 50, 20]


async def test_what_comes_while_the_thread_is_busy_is_its_next_batch(
    thread: BatchThread[Executor], executor: Executor
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Executor) -> bool:
        begun.set()
        return go_on.wait(PATIENCE)

    first = thread.submit(wait)
    await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, PATIENCE)
    later = []
    for each in range(10):
        later.append(thread.submit(returning(each)))
        await asyncio.sleep(0.001)
    go_on.set()
    assert await first
    assert await asyncio.gather(*later) == list(range(10))
    assert executor.batches == [1, 10]


async def test_calls_run_in_the_order_they_were_made(thread: BatchThread[Executor]) -> None:
    seen: list[int] = []

    def seeing(number: int) -> Callable[[Executor], None]:
        return lambda _: seen.append(number)

    calls = []
    for number in range(200):
        calls.append(thread.submit(seeing(number)))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*calls)
    assert seen == list(range(200))


async def test_call_that_fails_fails_alone(thread: BatchThread[Executor]) -> None:
    outcomes = await asyncio.gather(
        thread.submit(returning(1)),
        thread.submit(lambda _: 1 // 0),
        thread.submit(returning(3)),
        return_exceptions=True,
    )
    assert (outcomes[0], outcomes[2]) == (1, 3)
    assert isinstance(outcomes[1], ZeroDivisionError)


async def test_cancelled_call_is_run_all_the_same(thread: BatchThread[Executor]) -> None:
    seen: list[str] = []
    call = thread.submit(lambda _: seen.append("ran"))
    call.cancel()
    await thread.submit(returning(0))
    assert seen == ["ran"]


async def test_closing_finishes_what_was_asked_for(executor: Executor) -> None:
    closed: list[int] = []
    thread: BatchThread[Executor] = BatchThread(
        "test", execute=executor, close=lambda: closed.append(len(executor.batches))
    )
    calls = [thread.submit(returning(each)) for each in range(5)]
    assert not thread.is_closed
    await asyncio.wait_for(thread.close(), PATIENCE)
    assert thread.is_closed
    assert await asyncio.gather(*calls) == list(range(5))
    assert closed == [1]


def test_loop_that_ends_early_does_not_end_the_thread(executor: Executor) -> None:
    thread: BatchThread[Executor] = BatchThread("test", execute=executor)
    go_on = threading.Event()

    async def leave() -> None:
        thread.submit(lambda _: go_on.wait(PATIENCE))
        await asyncio.sleep(0.01)

    async def come_back() -> int:
        result = await thread.submit(returning(7))
        await thread.close()
        return result

    asyncio.run(leave())
    go_on.set()
    assert asyncio.run(come_back()) == 7


async def test_call_whose_asker_left_while_it_ran_holds_up_nobody(
    thread: BatchThread[Executor],
) -> None:
    go_on = threading.Event()
    left = thread.submit(lambda _: go_on.wait(PATIENCE))
    failing = thread.submit(lambda _: 1 // 0)
    stays = thread.submit(returning(3))
    await asyncio.sleep(0.01)  # it runs
    left.cancel()
    failing.cancel()
    go_on.set()
    assert await stays == 3
    assert left.cancelled()
    assert failing.cancelled()


async def test_closing_waits_for_what_runs_and_for_what_waits(
    thread: BatchThread[Executor], executor: Executor
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Executor) -> bool:
        begun.set()
        return go_on.wait(PATIENCE)

    first = thread.submit(wait)
    await asyncio.to_thread(begun.wait, PATIENCE)
    second = thread.submit(returning(2))  # not handed over yet
    closing = asyncio.create_task(thread.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    go_on.set()
    await asyncio.wait_for(closing, PATIENCE)
    assert (await first, await second) == (True, 2)
    assert executor.batches == [1, 1]
