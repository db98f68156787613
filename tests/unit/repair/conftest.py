"""Where the data directory of a test is."""

from pathlib import Path

import pytest

from tests.attributes import require_attributes
from tusd_py.storage.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    require_attributes(tmp_path)
    return Layout(tmp_path / "data")
