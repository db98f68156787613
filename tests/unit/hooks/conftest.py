"""Says which event loops the tests of hooks run on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run programs on each loop that there is, for each has pipes of its own."""
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.stem == "test_command":
        with suppress(ImportError):
            import uvloop  # noqa: PLC0415 - it is not to be had everywhere

            loops["uvloop"] = uvloop.new_event_loop
    return loops
