"""The stores that the shared suites run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.state_stores import STATE_STORES, OpenStore, opener
from tusd_py.state.state_store import StateStore


@pytest.fixture(params=STATE_STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the state store of this test, again and again."""
    return opener(STATE_STORES[request.param], tmp_path)


@pytest.fixture
async def state(open_store: OpenStore) -> AsyncIterator[StateStore]:
    """An empty state store."""
    async with open_store() as store:
        yield store
