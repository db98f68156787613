"""The stores and lockers that the shared suites run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.data_stores import DATA_STORES, Fillable
from tests.contracts.lockers import LOCKERS, PATIENCE, MakeLocker
from tests.contracts.state_stores import STATE_STORES, OpenStore, opener
from tusd_py.locks.locker import Locker
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import JoinableStore


@pytest.fixture(params=STATE_STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the state store of this test, again and again."""
    return opener(STATE_STORES[request.param], tmp_path)


@pytest.fixture
async def state(open_store: OpenStore) -> AsyncIterator[StateStore]:
    """An empty state store."""
    async with open_store() as store:
        yield store


@pytest.fixture(params=DATA_STORES)
async def fillable(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fillable]:
    fillable = DATA_STORES[request.param](tmp_path, monkeypatch)
    yield fillable
    await fillable.store.close()


@pytest.fixture
def store(fillable: Fillable) -> JoinableStore:
    return fillable.store


@pytest.fixture(params=LOCKERS)
async def make_locker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeLocker]:
    made: list[Locker] = []

    def make(timeout: float) -> Locker:
        made.append(LOCKERS[request.param](tmp_path, timeout))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
async def locker(make_locker: MakeLocker) -> Locker:
    return make_locker(PATIENCE)
