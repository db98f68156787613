"""Stands between clients and server, and is the bad network between them."""

import asyncio
import random
import socket
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.faults.soak.trouble import Ending, Shape, Trouble, Way, draw
from tests.faults.soak.wire import Address, reset, tune

_PIECE = 128 * 1024
#: Tiny segments cost a turn of the loop each, so only the beginning of what is sent is split.
_SPLIT_FIRST = 3000
_CONNECT = 3.0


class FaultProxy:
    """
    Forwards every connection, each with a fate of its own.

    Args:
        target: The server.
        seed: The n-th connection has the same fate in every run with the same seed.

    Attributes:
        counts: What was done to connections, by name.
        address: Where it listens, within the context.
    """

    def __init__(self, target: Address, *, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.address: Address = ("", 0)
        self._target = target
        self._seed = seed
        self._calm = False
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_PIECE)
        listening = self._server.sockets[0]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * _PIECE)
        self.address = listening.getsockname()[:2]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.drop_all()

    def calm_down(self) -> None:
        """Leave new connections in peace; those that hang go on hanging."""
        self._calm = True

    async def drop_all(self) -> None:
        """End every connection."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self.counts["connections"] += 1
        rng = random.Random(f"{self._seed} {self.counts['connections']}")
        trouble = Trouble() if self._calm else draw(rng)
        try:
            async with asyncio.timeout(_CONNECT):
                beyond = await asyncio.open_connection(*self._target, limit=_PIECE)
        except (OSError, TimeoutError):
            reset(writer)
        else:
            # Cancelled is what `drop_all` wants; asyncio's streams would report it as a mistake.
            with suppress(asyncio.CancelledError):
                await _Link(trouble, self.counts).run((reader, writer), beyond)
        finally:
            writer.close()
            self._links.discard(task)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One client's connection and the one to the server."""

    def __init__(self, trouble: Trouble, counts: Counter[str]) -> None:
        self._trouble = trouble
        self._counts = counts
        self._passed: Counter[Way] = Counter()
        self._hangs = asyncio.Event()
        if trouble.shape is not None:
            counts[trouble.shape] += 1

    async def run(self, near: Streams, far: Streams) -> None:
        """Forward both ways until either side ends it, or fate does."""
        for _, writer in (near, far):
            tune(writer)
        pumps = [
            asyncio.create_task(self._pump(near[0], far[1], Way.UP)),
            asyncio.create_task(self._pump(far[0], near[1], Way.DOWN)),
        ]
        rudely = True
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if self._hangs.is_set():
                # A line that is dead tells neither side that the other one has gone.
                await asyncio.sleep(self._trouble.hold)
            else:
                ends = [pump.exception() or pump.result() for pump in pumps if pump.done()]
                rudely = any(isinstance(end, OSError) or end is Ending.RST for end in ends)
        finally:
            for pump in pumps:
                pump.cancel()
            for _, writer in (near, far):
                if rudely:
                    reset(writer)
                writer.close()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way
    ) -> Ending | None:
        """Forward bytes *way* until they end, or do not get through; return what kept them."""
        ends = self._trouble.ending is not None and self._counts_bytes(way)
        while data := await source.read(_PIECE):
            if self._hangs.is_set() and self._trouble.stops(way):
                return None
            left = self._trouble.after - self._passed[way] if ends else len(data)
            await self._pass(data[:left], sink, way)
            if ends and left <= len(data):
                return self._end()
        return None

    def _counts_bytes(self, way: Way) -> bool:
        """Tell whether it is the bytes *way* that decide when the end has come."""
        return way is (Way.DOWN if self._trouble.way is Way.DOWN else Way.UP)

    def _end(self) -> Ending | None:
        ending = self._trouble.ending
        assert ending is not None
        self._counts[ending] += 1
        if ending in (Ending.HANG, Ending.HALF_HEAD):
            self._hangs.set()
        return ending

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter, way: Way) -> None:
        """Pass *data* on, as whole or as late as fate wants it."""
        whole = self._passed[way] >= _SPLIT_FIRST
        self._passed[way] += len(data)
        match self._trouble.shape:
            case Shape.DELAY:
                await asyncio.sleep(self._trouble.amount)
            case Shape.LIMIT:
                await asyncio.sleep(len(data) / self._trouble.amount)
            case Shape.SPLIT if not whole:
                first, data = data[:_SPLIT_FIRST], data[_SPLIT_FIRST:]
                for start in range(0, len(first), int(self._trouble.amount)):
                    sink.write(first[start : start + int(self._trouble.amount)])
                    await asyncio.sleep(0)
            case _:
                pass
        sink.write(data)
        await sink.drain()
