"""Finds the path of an upload id, never outside the data directory."""

import re
from pathlib import Path

from tusd_py.protocol.upload import is_upload_id

#: Where the parts of a data directory are; the format is described in docs/disk-format.md.
STATE_FILE = "state.sqlite3"
LOCK_FILE = "server.lock"
LOCKS = "locks"
UPLOADS = "uploads"
UNOWNED = "unowned"
#: How the files begin that a server tries out at its start what the file system can do.
PROBE_PREFIX = ".probe-"

#: Two hex digits name a shard: 256 directories keep each short with millions of uploads. One is
#: made when its first upload comes.
SHARD = re.compile(r"[0-9a-f]{2}")


class Layout:
    """
    The paths below one data directory.

    Only ids that the server made itself become paths: anything else is refused here, whatever
    checks came before.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir
        self.uploads = data_dir / UPLOADS
        self.unowned = data_dir / UNOWNED
        self.state_file = data_dir / STATE_FILE
        self.state_lock_file = self.state_file.with_suffix(".lock")
        self.lock_file = data_dir / LOCK_FILE
        self.locks = data_dir / LOCKS
        self.housekeeping_lock_file = self.locks / "housekeeping"

    def shards(self) -> list[Path]:
        """Return every directory that holds uploads, or did; blocks."""
        return sorted(path for path in self.uploads.iterdir() if SHARD.fullmatch(path.name))

    def file_of(self, upload_id: str) -> Path:
        """Return the path of an upload's bytes; raises ValueError for what is no id."""
        if not is_upload_id(upload_id):
            raise ValueError("not an upload id")
        return self.uploads / upload_id[:2] / upload_id
