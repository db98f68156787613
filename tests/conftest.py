"""What every test may ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.harness import TusServer, run_server

# An example may take its time on a busy machine; each test has a limit of its own.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TusServer]:
    """
    A server with the default settings, or those of `@pytest.mark.settings(name=value, ...)`.
    """
    marker = request.node.get_closest_marker("settings")
    async with run_server(tmp_path / "data", **(marker.kwargs if marker else {})) as running:
        yield running
