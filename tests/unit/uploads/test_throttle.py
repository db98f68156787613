"""Bodies wait for their turn, and come no faster than they may; nothing of them is lost."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.errors import Disconnected, Displaced, TooManyTransfers
from tusd_py.locks.file_slots import FileSlots
from tusd_py.locks.memory import MemoryLocker
from tusd_py.locks.shared_rates import SharedRates, new_memory
from tusd_py.protocol.limits import Account, Kind, Limits
from tusd_py.uploads.throttle import Throttle
from tusd_py.uploads.writer import Body

PATIENCE = 30.0


def of(owner: str = "", **limits: int) -> Account:
    return Account(Kind.OWNER, owner, Limits(**limits))


def make_throttle(timeout: float = 5.0) -> Throttle:
    return Throttle(FileSlots(None), SharedRates(new_memory(), None), timeout=timeout)


async def read_all(body: Body, size: int = 65536, *, patience: float = PATIENCE) -> list[bytes]:
    """Return what each call brought, up to the body's end."""
    pieces = []
    buffer = memoryview(bytearray(size))
    while count := await body.read_into(buffer, patience=patience):
        pieces.append(bytes(buffer[:count]))
    return pieces


# --- Transfers ---


async def test_without_a_limit_the_body_is_what_it_was() -> None:
    body = ScriptedBody(b"hello")
    async with make_throttle().admit([of(open_uploads=1)], body) as admitted:
        assert admitted is body


async def test_next_one_begins_when_one_has_ended() -> None:
    throttle, accounts = make_throttle(), [of(transfers=1)]
    order = []

    async def transfer(name: str) -> None:
        async with throttle.admit(accounts, ScriptedBody()):
            order.append(f"{name} begins")
            await asyncio.sleep(0.1)
            order.append(f"{name} ends")

    await asyncio.gather(*map(transfer, "abc"))
    assert [line.split()[1] for line in order] == ["begins", "ends"] * 3


@pytest.mark.parametrize(("is_creation", "status"), [(True, 429), (False, 423)])
async def test_who_waits_too_long_is_told_so(is_creation: bool, status: int) -> None:
    throttle, accounts = make_throttle(0.2), [of(transfers=1)]
    locks = MemoryLocker(new_epoch=lambda: 1, timeout=1)
    async with throttle.admit(accounts, ScriptedBody()):
        began = time.monotonic()
        async with locks.hold("a") as hold:
            waiting = throttle.admit(accounts, ScriptedBody(), hold=None if is_creation else hold)
            with pytest.raises(TooManyTransfers, match="max_transfers_per_owner") as caught:
                async with waiting:
                    pass
        assert 0.15 < time.monotonic() - began < 2
    assert caught.value.status == status


async def test_who_is_wanted_elsewhere_stops_waiting() -> None:
    throttle, accounts = make_throttle(), [of(transfers=1)]
    locks = MemoryLocker(new_epoch=lambda: 1, timeout=5)

    async def wait() -> None:
        async with locks.hold("a") as hold, throttle.admit(accounts, ScriptedBody(), hold=hold):
            pass

    async with throttle.admit(accounts, ScriptedBody()):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        began = time.monotonic()
        async with locks.hold("a"):
            assert time.monotonic() - began < 0.1
        with pytest.raises(Displaced):
            await waiting


async def test_who_waits_for_one_place_keeps_no_other() -> None:
    throttle = make_throttle(0.2)
    both = [of("ann", transfers=1), Account(Kind.ADDRESS, "x", Limits(transfers=1))]
    async with throttle.admit(both[1:], ScriptedBody()):
        with pytest.raises(TooManyTransfers, match="per_address"):
            async with throttle.admit(both, ScriptedBody()):
                pass
        async with throttle.admit(both[:1], ScriptedBody()):
            pass
    async with throttle.admit(both, ScriptedBody()):
        pass


# --- Rates ---


async def receive(
    throttle: Throttle, accounts: Sequence[Account], size: int, buffer: int = 65536
) -> bytes:
    content = bytes(range(256)) * (size // 256)
    async with throttle.admit(accounts, ScriptedBody(content)) as body:
        received = b"".join(await read_all(body, buffer))
    assert received == content
    return received


@pytest.mark.parametrize("buffer", [256, 65536])
async def test_body_takes_its_time(buffer: int) -> None:
    began = time.monotonic()
    await receive(make_throttle(), [of(rate=100_000)], 60 * 1024, buffer)
    assert 0.5 * 0.85 < time.monotonic() - began < 0.5 * 1.5


async def test_transfers_share_the_rate() -> None:
    throttle, began = make_throttle(), time.monotonic()
    await asyncio.gather(*(receive(throttle, [of(rate=400_000)], 64 * 1024) for _ in range(4)))
    assert 0.5 < time.monotonic() - began < 1


async def test_whoever_has_less_decides() -> None:
    began = time.monotonic()
    accounts = [of(rate=10_000_000), Account(Kind.ADDRESS, "x", Limits(rate=100_000))]
    await receive(make_throttle(), accounts, 40 * 1024)
    assert time.monotonic() - began > 0.25


async def test_buffer_is_filled_as_far_as_patience_goes() -> None:
    async with make_throttle().admit([of(rate=10_000)], ScriptedBody(b"x" * 6000)) as body:
        pieces = await read_all(body, 4096, patience=0.2)
    assert sum(map(len, pieces)) == 6000
    assert max(map(len, pieces)) < 4096


async def test_interruption_ends_the_waiting_and_keeps_what_came() -> None:
    content = b"x" * 100_000
    async with make_throttle().admit([of(rate=1000)], ScriptedBody(content)) as body:
        buffer = memoryview(bytearray(1024))
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.1, body.interrupt, Displaced())
        assert await body.read_into(buffer, patience=PATIENCE) == 1024
        assert time.monotonic() - began < 0.3
        # Everything that had arrived is still the client's.
        assert len(b"".join(await read_all(body, 50_000))) == 100_000 - 1024


async def test_what_came_before_the_connection_broke_comes_first() -> None:
    body = ScriptedBody(b"x" * 600, Disconnected())
    async with make_throttle().admit([of(rate=10_000)], body) as paced:
        buffer = memoryview(bytearray(4096))
        assert await paced.read_into(buffer, patience=PATIENCE) == 600
        for _ in range(2):
            with pytest.raises(Disconnected):
                await paced.read_into(buffer, patience=PATIENCE)


async def test_trailer_is_passed_on() -> None:
    body = ScriptedBody(b"x", trailers={"a": "b"})
    async with make_throttle().admit([of(rate=10_000)], body) as paced:
        await read_all(paced)
        assert paced.trailer("a") == "b"
