"""A data directory, and the store that keeps its files there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data")
    prepare_directories(made)
    return made


@pytest.fixture
async def store(layout: Layout) -> AsyncIterator[LocalStore]:
    made = LocalStore(layout, strict=True)
    yield made
    await made.close()
