"""Other services that the server asks: right, slow, broken or lying, as a test wants them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """
    A service on a free port.

    Attributes:
        answer: What it does with a request; a test may change it at any time.
        asked: Every request that came, the first one first.
        url: Where it is.
    """

    def __init__(self) -> None:
        self.answer: Answering = nothing
        self.asked: list[web.Request] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


async def nothing(_: web.Request) -> web.Response:
    """Answer 200, and say nothing."""
    return web.Response()


async def hang(_: web.Request) -> web.Response:
    """Answer long after anybody waits for it."""
    await asyncio.sleep(60)
    return web.Response()


def always(status: int = 200, **headers: str) -> Answering:
    """Answer each request with *status* and *headers*, whose names have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=named)

    return answer


def document(content: object) -> Answering:
    """Answer each request with *content* in JSON."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(content)

    return answer


@asynccontextmanager
async def run_service() -> AsyncIterator[Service]:
    """Run a service until the end of the context."""
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service.handle)
    # Whoever still waits for an answer is dropped.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/asked"
        yield service
    finally:
        await runner.cleanup()
