"""Uploads are let in while they leave the reserve alone, and fit into what may be stored."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, an_upload, upload_id
from tusd_py.errors import StorageFull, TooMuchStored
from tusd_py.protocol.limits import Limits
from tusd_py.protocol.requests import Payload
from tusd_py.protocol.rules import Chunk
from tusd_py.state.opening import open_sqlite
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.storage.memory import MemoryStore
from tusd_py.uploads.accounts import Accounts
from tusd_py.uploads.admission import Admission


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = await open_sqlite(tmp_path / "state.sqlite3", strict=False)
    yield store
    await store.close()


def make_admission(
    data: DataStore, state: StateStore, reserve: int = 0, **limits: int
) -> Admission:
    accounts = Accounts(owner=Limits(**limits))
    return Admission(data, state, reserve=reserve, accounts=accounts, clock=lambda: THEN)


@pytest.mark.parametrize(
    ("capacity", "reserve", "length", "admitted"),
    [
        (1000, 100, 900, True),
        (1000, 100, 901, False),
        (1000, 100, 0, True),
        (1000, 0, 1000, True),
        (50, 100, 1, False),
        (None, 100, 2**62, True),
    ],
)
async def test_upload_is_admitted_where_the_reserve_is_left(
    state: StateStore, capacity: int | None, reserve: int, length: int, admitted: bool
) -> None:
    admission = make_admission(MemoryStore(capacity=capacity), state, reserve)
    if admitted:
        await admission.admit(length)
        return
    with pytest.raises(StorageFull):
        await admission.admit(length)


async def test_what_is_stored_already_counts(state: StateStore) -> None:
    data = MemoryStore(capacity=100)
    await data.allocate(upload_id(1), None)
    async with data.open(upload_id(1)) as opened:
        await opened.write(0, memoryview(bytes(60)))
    admission = make_admission(data, state, 10)
    await admission.admit(30)
    with pytest.raises(StorageFull):
        await admission.admit(31)


@pytest.mark.parametrize(
    ("length", "payload", "admitted"),
    [
        (100, 0, True),
        (101, 0, False),
        (None, 90, True),
        (None, 91, False),
        (None, None, True),
        (10, 0, True),
    ],
)
async def test_upload_of_deferred_length_grows_into_what_is_left(
    state: StateStore, length: int | None, payload: int | None, admitted: bool
) -> None:
    upload = an_upload(1, length=None, offset=10)
    await state.create(upload)
    admission = make_admission(MemoryStore(), state, stored=100)
    chunk = Chunk(10, 1000, length, Payload(payload))
    if admitted:
        await admission.admit_growth(upload, chunk)
        return
    with pytest.raises(TooMuchStored):
        await admission.admit_growth(upload, chunk)
