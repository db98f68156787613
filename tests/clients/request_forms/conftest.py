"""What these tests share: a server in this process, on the event loop that it has in earnest."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.harness import TusServer, run_server


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Take uvloop where it is to be had, as the server does."""
    try:
        import uvloop  # noqa: PLC0415 - it is not to be had everywhere
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TusServer]:
    """A server with the default settings, or those of `@pytest.mark.settings(name=value, ...)`."""
    marker = request.node.get_closest_marker("settings")
    settings = marker.kwargs if marker else {}
    async with run_server(tmp_path / "data", **settings) as running:
        yield running
