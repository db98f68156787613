"""A state file to damage."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.unit.state.damage import UPLOADS, make


@pytest.fixture(scope="session")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file of 2,000 uploads."""
    path = tmp_path_factory.mktemp("sound") / "state.sqlite3"
    asyncio.run(make(path, *UPLOADS))
    return path


@pytest.fixture
def state_file(sound_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(sound_file, tmp_path / "state.sqlite3"))
