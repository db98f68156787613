"""What the tests of authentication share."""

from collections.abc import AsyncIterator

import pytest

from tests.services import Service, run_service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Another service, which is asked."""
    async with run_service() as running:
        yield running
