"""One task for an upload at a time; what fails unseen is logged."""

import asyncio

import pytest

from tests.contracts.examples import an_upload, upload_id
from tests.unit.uploads.fakes import BROKEN
from tusd_py.errors import ContentRefused, RefusedByHook, TusError, WasRejected
from tusd_py.protocol.upload import Upload
from tusd_py.uploads.background import Background

A, B = upload_id(1), upload_id(2)


async def quickly() -> Upload | None:
    return an_upload(1)


async def never() -> Upload | None:
    await asyncio.Event().wait()
    return None


async def test_same_upload_is_worked_at_once_alone() -> None:
    background = Background("It failed")
    first = background.start(A, quickly)
    assert background.start(A, never) is first
    other = background.start(B, quickly)
    assert other is not first
    assert await first == an_upload(1)
    await asyncio.sleep(0)
    assert background.start(A, quickly) is not first
    await background.close()


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (BROKEN, ["It failed and is tried again later: broken"]),
        (ZeroDivisionError(), ["It failed."]),
        (ContentRefused("no"), []),
        (RefusedByHook("no"), []),
        (WasRejected("no"), []),
    ],
)
async def test_failures_that_nobody_sees_are_logged(
    error: Exception, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> Upload | None:
        raise error

    background = Background("It failed")
    background.leave(background.start(A, failing))
    await background.close()
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == logged
    assert bool(caplog.records and caplog.records[0].exc_info) is (not isinstance(error, TusError))


async def test_close_waits_for_all(caplog: pytest.LogCaptureFixture) -> None:
    background = Background("It failed")
    done = asyncio.Event()

    async def slowly() -> Upload | None:
        await asyncio.sleep(0.05)
        done.set()
        return None

    background.start(A, slowly)
    await background.close()
    assert done.is_set()
    await background.close()
    await background.close(within=0)


async def test_close_breaks_off_what_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    background = Background("It failed")
    tasks = [background.start(A, never), background.start(B, quickly)]
    background.leave(tasks[0])
    async with asyncio.timeout(2):
        await background.close(within=0.05)
    assert (tasks[0].cancelled(), tasks[1].cancelled()) == (True, False)
    assert caplog.records == []
