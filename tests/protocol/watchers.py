"""Clients that watch an upload: by server-sent events as an EventSource does, and by WebSocket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.harness import PATIENCE


@dataclass(frozen=True)
class Event:
    """
    One event.

    Attributes:
        at: When it came, by the monotonic clock.
        lines: What else came with it, by the field's name.
    """

    name: str
    data: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    lines: dict[str, str] = field(default_factory=dict)


class Watcher:
    """
    Takes events one by one, and knows how the stream ended.

    Attributes:
        headers: Those of the answer.
        port: Its own end of the connection.
    """

    def __init__(self, events: AsyncIterator[Event], headers: Mapping[str, str], port: int) -> None:
        self._events = events
        self.headers = headers
        self.port = port
        self.seen: list[Event] = []
        self.close_code: int | None = None

    async def until(self, condition: Callable[[Event], object]) -> Event:
        """Return the first event of which *condition* holds."""
        async with asyncio.timeout(PATIENCE):
            async for event in self._events:
                self.seen.append(event)
                if condition(event):
                    return event
        raise AssertionError(f"the stream ended after {self.seen[-1:]}")

    async def next(self) -> Event:
        return await self.until(lambda _: True)

    async def rest(self) -> list[Event]:
        """Return what comes until the server ends the stream."""
        async with asyncio.timeout(PATIENCE):
            rest = [event async for event in self._events]
        self.seen += rest
        return rest


#: Watches the upload at a URL, sending headers of its own.
Watch = Callable[
    [aiohttp.ClientSession, str, Mapping[str, str]], AbstractAsyncContextManager[Watcher]
]


@asynccontextmanager
async def by_events(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> AsyncIterator[Watcher]:
    """Watch as an EventSource does; another status than 200 raises `ClientResponseError`."""
    sent = {"Accept": "text/event-stream", **headers}
    async with session.get(f"{url}/events", headers=sent, raise_for_status=True) as response:
        assert response.content_type == "text/event-stream"
        assert response.connection is not None
        assert response.connection.transport is not None
        _, port = response.connection.transport.get_extra_info("sockname")
        yield Watcher(_read_events(response.content), response.headers, port)


@asynccontextmanager
async def by_websocket(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> AsyncIterator[Watcher]:
    """Watch by WebSocket; where that is refused, `WSServerHandshakeError` is raised."""
    async with session.ws_connect(f"{url}/events", headers=headers) as socket:

        async def messages() -> AsyncIterator[Event]:
            async for message in socket:
                data = json.loads(message.data)
                yield Event(data.pop("event"), data)
            watcher.close_code = socket.close_code

        _, port = socket.get_extra_info("sockname")
        watcher = Watcher(messages(), socket._response.headers, port)
        yield watcher


async def _read_events(content: aiohttp.StreamReader) -> AsyncIterator[Event]:
    lines: dict[str, str] = {}
    async for raw in content:
        line = raw.decode().rstrip("\r\n")
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            lines[name] = value
        elif lines and not line:
            yield Event(lines.pop("event"), json.loads(lines.pop("data")), lines=lines)
            lines = {}
