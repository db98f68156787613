"""Tells tests that need extended attributes whether the file system of temporary files has them."""

import os
from pathlib import Path

from tests.clients.conftest import require


def require_attributes(directory: Path) -> None:
    """Go on only where files below *directory* can have attributes."""
    probe = directory / "attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.probe", b"x" * 100)
        works = True
    except OSError:
        works = False
    probe.unlink()
    require("a file system with extended attributes for temporary files (TMPDIR)", works)
