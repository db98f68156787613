"""Uploads are let in while they leave the reserve alone."""

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import StorageFull
from tusd_py.storage.memory import MemoryStore
from tusd_py.uploads.admission import Admission


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
    capacity: int | None, reserve: int, length: int, admitted: bool
) -> None:
    admission = Admission(MemoryStore(capacity=capacity), reserve=reserve)
    if admitted:
        await admission.admit(length)
        return
    with pytest.raises(StorageFull):
        await admission.admit(length)


async def test_what_is_stored_already_counts() -> None:
    data = MemoryStore(capacity=100)
    await data.allocate(upload_id(1), None)
    async with data.open(upload_id(1)) as opened:
        await opened.write(0, memoryview(bytes(60)))
    admission = Admission(data, reserve=10)
    await admission.admit(30)
    with pytest.raises(StorageFull):
        await admission.admit(31)
