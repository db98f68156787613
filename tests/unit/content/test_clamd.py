"""clamd is asked as its manual page says; what it does not say clearly is no verdict."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clamd_stub import (
    Behave,
    ClamdStub,
    be_silent,
    hang_up,
    listening,
    saying,
    take_nothing,
)
from tests.unit.content.uploads import complete, reading
from tusd_py.content.clamd import Clamd
from tusd_py.errors import CheckUnavailable, ContentRefused, StorageError

CONTENT = bytes(range(256)) * 20_000
SIGN = b"a sign of evil"


@pytest.fixture
def stub() -> ClamdStub:
    stub = ClamdStub()
    stub.found[SIGN] = "Test.Evil-1"
    return stub


@pytest.fixture
async def clamd(stub: ClamdStub, tmp_path: Path) -> AsyncIterator[Clamd]:
    async with listening(stub, tmp_path / "clamd.sock") as address:
        yield Clamd(address, timeout=0.5)


async def examine(check: Clamd, content: bytes) -> None:
    await check.examine(complete(content), reading(content))


@pytest.mark.parametrize("size", [1, 4, 100_000, 1024 * 1024, len(CONTENT)])
async def test_every_byte_is_shown(clamd: Clamd, stub: ClamdStub, size: int) -> None:
    await examine(clamd, CONTENT[:size])
    assert stub.scanned == [CONTENT[:size]]


async def test_nothing_needs_no_scanner(clamd: Clamd, stub: ClamdStub) -> None:
    await examine(clamd, b"")
    assert stub.asked == 0


async def test_what_it_finds_is_refused(clamd: Clamd, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ContentRefused, match="found something") as refused:
        await examine(clamd, CONTENT + SIGN)
    assert refused.value.status == 422
    assert "Evil" not in refused.value.message
    assert [record.found for record in caplog.records] == ["Test.Evil-1"]  # type: ignore[attr-defined]


async def test_too_large_a_file_is_no_verdict(clamd: Clamd, stub: ClamdStub) -> None:
    stub.limit = 2_000_000
    with pytest.raises(CheckUnavailable) as unavailable:
        await examine(clamd, CONTENT)
    assert "StreamMaxLength" in unavailable.value.reason
    assert "StreamMaxLength" not in unavailable.value.message


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (be_silent, "said nothing for 0.5s"),
        (take_nothing, "said nothing for 0.5s"),
        (hang_up, "hung up without an answer|cannot be reached"),
        (saying(b""), "hung up without an answer|cannot be reached"),
        (saying(b"stream: FOUND\0"), "answered 'stream: FOUND'"),
        (saying(b"nonsense\0"), "answered 'nonsense'"),
        (saying(b"stream: OK FOUND OK\0"), "answered"),
        (saying(b"stream: OK\0stream: OK\0"), "answered"),
        (saying(b"COMMAND READ TIMED OUT\0"), "answered 'COMMAND"),
        (saying(b"stream: Can't allocate memory ERROR\0"), "answered"),
        (saying(b"\xff\xfe\0"), "answered"),
        (saying(b"x" * 200_000), "answered 'xxx"),
    ],
)
async def test_what_is_unclear_is_no_verdict(
    clamd: Clamd, stub: ClamdStub, behave: Behave, reason: str
) -> None:
    stub.behave = behave
    began = time.monotonic()
    with pytest.raises(CheckUnavailable) as unavailable:
        await examine(clamd, CONTENT)
    assert time.monotonic() - began < 5
    assert unavailable.match("cannot be checked at the moment")
    assert any(each in unavailable.value.reason for each in reason.split("|"))


async def test_slow_one_is_waited_for(clamd: Clamd, stub: ClamdStub) -> None:
    stub.may_answer.clear()
    asking = asyncio.ensure_future(examine(clamd, CONTENT))
    await asyncio.sleep(0.3)
    assert not asking.done()
    stub.may_answer.set()
    await asking


@pytest.mark.parametrize("address", ["unix:/nowhere/clamd.sock", "127.0.0.1:1", "[::1]:1"])
async def test_one_that_is_away_is_no_verdict(address: str) -> None:
    with pytest.raises(CheckUnavailable) as unavailable:
        await examine(Clamd(address, timeout=0.5), CONTENT)
    assert f"clamd at {address} cannot be reached" in unavailable.value.reason


async def test_it_is_reached_over_tcp_too(stub: ClamdStub) -> None:
    async with await asyncio.start_server(stub.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await examine(Clamd(f"127.0.0.1:{port}", timeout=5), CONTENT)
        with pytest.raises(ContentRefused):
            await examine(Clamd(f"127.0.0.1:{port}", timeout=5), SIGN)
    assert len(stub.scanned) == 2


async def test_lost_bytes_are_the_servers_fault(clamd: Clamd, stub: ClamdStub) -> None:
    with pytest.raises(StorageError):
        await clamd.examine(complete(CONTENT), reading(CONTENT[:-1]))
    assert stub.scanned == []


async def test_connections_are_closed(
    clamd: Clamd, stub: ClamdStub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.behave = be_silent
    before = len(asyncio.all_tasks())
    with caplog.at_level(logging.ERROR), pytest.raises(CheckUnavailable):
        await examine(clamd, CONTENT)
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == before
    assert caplog.records == []
