"""Finds the path of an upload id, never outside the data directory."""

from pathlib import Path

from tusd_py.protocol.upload import is_upload_id

#: Where the parts of a data directory are; the format is described in docs/disk-format.md.
STATE_FILE = "state.sqlite3"
LOCK_FILE = "server.lock"
UPLOADS = "uploads"

#: Two hex digits name a shard: 256 directories keep each short with millions of uploads.
SHARDS = tuple(f"{number:02x}" for number in range(256))


class Layout:
    """
    The paths below one data directory.

    Only ids that the server made itself become paths: anything else is refused here, whatever
    checks came before.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir
        self.uploads = data_dir / UPLOADS
        self.state_file = data_dir / STATE_FILE
        self.lock_file = data_dir / LOCK_FILE

    def shards(self) -> list[Path]:
        """Return every directory that may hold uploads."""
        return [self.uploads / shard for shard in SHARDS]

    def file_of(self, upload_id: str) -> Path:
        """Return the path of an upload's bytes; raises ValueError for what is no id."""
        if not is_upload_id(upload_id):
            raise ValueError("not an upload id")
        return self.uploads / upload_id[:2] / upload_id
