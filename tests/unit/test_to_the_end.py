"""What a thread does is awaited to its end, whoever is cancelled meanwhile."""

import asyncio
import gc
import logging

import pytest

from tusd_py.to_the_end import to_the_end


async def test_returns_and_raises_what_the_call_does() -> None:
    call: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    call.set_result(5)
    assert await to_the_end(call) == 5
    failing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    failing.set_exception(OSError("broken"))
    with pytest.raises(OSError, match="broken"):
        await to_the_end(failing)


@pytest.mark.parametrize("fails", [False, True])
async def test_cancelled_again_and_again_it_waits_and_says_nothing_of_a_failure(
    caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    call: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(to_the_end(call))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0.001)
        assert not waiting.done()
    if fails:
        call.set_exception(OSError("broken"))
    else:
        call.set_result(5)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del call, waiting
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
