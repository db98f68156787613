"""A takeover fills just the buffers it is given, and hands the transport back in order."""

import asyncio
from typing import Any

import pytest

from tusd_py.errors import Disconnected, IdleTimeout, ServerStopping, TooSlow, TransferEnded
from tusd_py.web.pace import BodyLimits, Pace
from tusd_py.web.takeover import Takeover


class FakeTransport(asyncio.Transport):
    """Brings what a test says, where the protocol lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.is_paused = False
        self.closing = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.closing

    def bring(self, data: bytes) -> bytes:
        """Put *data* into the buffers that are offered; return what found no room."""
        while data and not self.is_paused and isinstance(self.protocol, Takeover):
            room = self.protocol.get_buffer(-1)
            assert len(room) > 0
            piece, data = data[: len(room)], data[len(room) :]
            room[: len(piece)] = piece
            self.protocol.buffer_updated(len(piece))
        return data

    def lose(self, reason: Exception | None = None) -> None:
        self.closing = True
        self.protocol.connection_lost(reason)


class FakeOwner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def give_back(self, received: int) -> None:
        self.told.append(received)


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def owner() -> FakeOwner:
    return FakeOwner()


@pytest.fixture
async def takeover(owner: FakeOwner, transport: FakeTransport) -> Takeover:
    """Receives a body of ten bytes."""
    pace = Pace(BodyLimits(idle_timeout=0.2, min_rate=0, min_rate_window=60))
    return Takeover(owner, transport, remaining=10, idle_timeout=0.2, pace=pace)


class Reading:
    """A call of `read_into` that is under way."""

    def __init__(self, takeover: Takeover, size: int, patience: float) -> None:
        self.buffer = bytearray(size)
        view = memoryview(self.buffer)
        self.task = asyncio.create_task(takeover.read_into(view, patience=patience))

    async def result(self) -> bytes:
        """Return what came; the rest of the buffer has to be as it was."""
        count = await asyncio.wait_for(self.task, 5)
        assert not any(self.buffer[count:])
        return bytes(self.buffer[:count])


async def read(takeover: Takeover, size: int, patience: float = 5) -> Reading:
    """Begin to read, and return once it waits."""
    reading = Reading(takeover, size, patience)
    await asyncio.sleep(0)
    return reading


class TestReading:
    async def test_lets_nothing_come_unless_there_is_a_buffer(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        assert transport.is_paused
        assert transport.protocol is takeover
        reading = await read(takeover, 4)
        assert not transport.is_paused
        assert transport.bring(b"abcdefg") == b"efg"
        assert transport.is_paused
        assert await reading.result() == b"abcd"
        reading = await read(takeover, 3)
        assert transport.bring(b"efg") == b""
        assert await reading.result() == b"efg"
        assert transport.is_paused

    async def test_fills_a_buffer_from_many_pieces(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4)
        for byte in b"abcd":
            assert not reading.task.done()
            transport.bring(bytes([byte]))
        assert await reading.result() == b"abcd"

    @pytest.mark.parametrize("size", [10, 11, 1000])
    async def test_never_goes_past_the_end_of_the_body(
        self, takeover: Takeover, transport: FakeTransport, owner: FakeOwner, size: int
    ) -> None:
        reading = await read(takeover, size)
        assert transport.bring(b"0123456789GET /") == b"GET /"
        # What follows is the owner's, at once: it may be on its way already.
        assert (transport.protocol, owner.told) == (owner, [10])
        assert not transport.is_paused
        assert await reading.result() == b"0123456789"
        assert not transport.is_paused
        assert await takeover.read_into(memoryview(bytearray(1)), patience=0) == 0

    async def test_returns_less_where_patience_is_over(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4, patience=0.02)
        await asyncio.sleep(0.05)
        assert not reading.task.done()  # at least a byte is waited for
        transport.bring(b"a")
        assert await reading.result() == b"a"
        assert transport.is_paused

    async def test_that_is_cancelled_stands_still(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4)
        transport.bring(b"ab")
        reading.task.cancel()
        await asyncio.gather(reading.task, return_exceptions=True)
        assert transport.is_paused


class TestEnds:
    async def test_by_silence_come_after_what_was_received(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4)
        transport.bring(b"ab")
        assert await reading.result() == b"ab"
        for _ in range(2):
            with pytest.raises(IdleTimeout):
                await takeover.read_into(memoryview(bytearray(4)), patience=5)
        assert transport.is_paused

    async def test_by_silence_are_counted_from_the_last_byte(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 8, patience=0.03)
        for byte in b"abcdefgh":
            await asyncio.sleep(0.04)
            if reading.task.done():
                await reading.result()
                reading = await read(takeover, 8, patience=0.03)
            transport.bring(bytes([byte]))
        assert (await reading.result()).endswith(b"h")

    @pytest.mark.parametrize("reason", [ServerStopping(), Disconnected()])
    async def test_by_interruption_keep_what_came(
        self, takeover: Takeover, transport: FakeTransport, reason: TransferEnded
    ) -> None:
        reading = await read(takeover, 4)
        transport.bring(b"ab")
        takeover.interrupt(reason)
        takeover.interrupt(IdleTimeout())  # the first reason counts
        transport.bring(b"c")  # before the reader's turn
        assert await reading.result() == b"abc"
        with pytest.raises(type(reason)):
            await takeover.read_into(memoryview(bytearray(4)), patience=5)
        assert transport.is_paused

    async def test_by_interruption_between_two_reads_are_raised_by_the_next(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        takeover.interrupt(ServerStopping())
        with pytest.raises(ServerStopping):
            await takeover.read_into(memoryview(bytearray(4)), patience=5)
        assert transport.is_paused

    @pytest.mark.parametrize("came", [b"", b"ab"])
    async def test_by_disconnect_are_told_to_both(
        self, takeover: Takeover, transport: FakeTransport, owner: FakeOwner, came: bytes
    ) -> None:
        reading = await read(takeover, 4)
        transport.bring(came)
        assert takeover.eof_received() is False
        reason = ConnectionResetError()
        transport.lose(reason)
        # The owner first learns how far the body is: what is missing will not come.
        assert owner.told == [len(came), reason]
        if came:
            assert await reading.result() == came
            reading = await read(takeover, 4)
        with pytest.raises(Disconnected):
            await reading.result()

    async def test_by_disconnect_while_nobody_reads_are_raised_by_the_next_read(
        self, takeover: Takeover, transport: FakeTransport, owner: FakeOwner
    ) -> None:
        transport.lose()
        assert owner.told == [0, None]
        with pytest.raises(Disconnected):
            await takeover.read_into(memoryview(bytearray(4)), patience=5)


class TestPace:
    """A body of ten bytes that has to bring two in each second."""

    @pytest.fixture
    async def takeover(self, owner: FakeOwner, transport: FakeTransport) -> Takeover:
        pace = Pace(BodyLimits(idle_timeout=60, min_rate=2, min_rate_window=1))
        return Takeover(owner, transport, remaining=10, idle_timeout=60, pace=pace)

    async def test_ends_a_read_in_which_nothing_comes(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4, patience=60)
        with pytest.raises(TooSlow):
            await reading.result()
        assert transport.is_paused

    async def test_returns_what_came_before_that(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4, patience=60)
        transport.bring(b"a")
        assert await reading.result() == b"a"
        reading = await read(takeover, 4)
        with pytest.raises(TooSlow):
            await reading.result()

    async def test_is_measured_over_all_reads(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        reading = await read(takeover, 4, patience=0.7)
        transport.bring(b"a")
        assert await reading.result() == b"a"
        loop = asyncio.get_running_loop()
        began = loop.time()
        reading = await read(takeover, 4, patience=60)
        with pytest.raises(TooSlow):
            await reading.result()
        assert loop.time() - began < 0.9

    async def test_is_not_measured_while_nobody_reads(
        self, takeover: Takeover, transport: FakeTransport
    ) -> None:
        for _ in range(4):
            reading = await read(takeover, 1)
            await asyncio.sleep(0.01)
            transport.bring(b"a")
            assert await reading.result() == b"a"
            await asyncio.sleep(0.4)


class TestGivingBack:
    async def test_is_possible_anywhere_and_done_once(
        self, takeover: Takeover, transport: FakeTransport, owner: FakeOwner
    ) -> None:
        reading = await read(takeover, 4)
        transport.bring(b"abcd")
        await reading.result()
        for _ in range(2):
            takeover.give_back()
        assert (transport.protocol, owner.told) == (owner, [4])

    async def test_of_a_closing_transport_leaves_its_protocol(
        self, takeover: Takeover, transport: FakeTransport, owner: FakeOwner
    ) -> None:
        transport.closing = True
        takeover.give_back()
        assert transport.protocol is takeover
        transport.lose()  # whoever the protocol is has to pass this on
        assert owner.told == [0, None]


async def test_the_owner_learns_how_its_answers_leave(
    takeover: Takeover, transport: FakeTransport, owner: FakeOwner
) -> None:
    transport.protocol.pause_writing()
    transport.protocol.resume_writing()
    assert owner.told == ["pause", "resume"]
    assert transport.is_paused
