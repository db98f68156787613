"""
Keeps beside an upload's bytes what else has to outlive a lost state file: an extended attribute.

The attribute is a JSON list, so that `getfattr` shows it as it is: version, owner, length (null
while deferred), second of the creation, Upload-Concat, Upload-Metadata; nulls at the end are left
out. It bears witness for `tusd-py verify --repair`, and nothing else reads it.
"""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tusd_py.errors import ProtocolError
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.upload import MAX_LENGTH, Upload

ATTRIBUTE = "user.tusd_py"
_VERSION = 1
#: Bytes of a value that an inode of ext4 has room for, which costs 5 microseconds in all. A longer
#: one takes a block of the disk, and with the journal's share a creation is a third slower (98
#: microseconds instead of 74, where 16 share a flush).
_IN_INODE = 64
#: From this length on, a block more counts for nothing.
_WORTH_A_BLOCK = 64 * 1024
_UNKNOWN_PARTS = "final;"
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
#: Not there, or not to be had on this file system.
_NONE = {errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT}


def bear_witness(file: int | Path, upload: Upload) -> None:
    """
    Keep what the file system has room for. Blocks; durable with the file's name, or its bytes.

    A file system without extended attributes keeps nothing: then the state file alone knows.
    """
    if not hasattr(os, "setxattr"):
        return
    for value in _versions(upload):
        try:
            os.setxattr(file, ATTRIBUTE, value)
        except OSError:  # too long for this file system, or it cannot at all
            continue
        return


def read_witness(file: Path) -> Upload | None:
    """
    Return the upload as it was created, or None where there is no witness that can be read.

    Blocks. Where parts did not fit, a final upload has none.

    Raises:
        OSError: The file cannot be read at all.
    """
    if not hasattr(os, "getxattr"):
        return None
    try:
        value = os.getxattr(file, ATTRIBUTE)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise
    try:
        return _read(file.name, json.loads(value))
    except (ValueError, TypeError, ProtocolError):
        return None


def _versions(upload: Upload) -> Iterator[bytes]:
    """Yield what could be kept, the best first; the owner and the length are in all of them."""
    if upload.length is None or upload.length >= _WORTH_A_BLOCK or upload.is_final:
        yield _write(upload, upload.concat, upload.metadata)
    elif upload.metadata is not None and len(upload.metadata) < _IN_INODE:
        whole = _write(upload, upload.concat, upload.metadata)
        if len(whole) <= _IN_INODE:
            yield whole
    yield _write(upload, upload.concat, None)
    if upload.is_final:
        yield _write(upload, _UNKNOWN_PARTS, None)


def _write(upload: Upload, concat: str | None, metadata: str | None) -> bytes:
    known = [_VERSION, upload.owner, upload.length, round(upload.created_at), concat, metadata]
    while known[-1] is None:
        known.pop()
    return _to_json(known).encode()


def _read(upload_id: str, known: list[Any]) -> Upload:
    version, owner, length, created_at, concat, metadata = (*known, None, None)[:6]
    texts = (owner, concat or "", metadata or "")
    if version != _VERSION or not all(isinstance(text, str) for text in texts):
        raise ValueError("not a witness of ours")
    if length is not None and not 0 <= length <= MAX_LENGTH:
        raise ValueError("no length")
    parts = None if concat in (None, _UNKNOWN_PARTS) else parse_concat(concat).parts
    return Upload(
        id=upload_id,
        owner=owner,
        length=length,
        metadata=metadata,
        concat=concat,
        parts=parts or (),
        created_at=float(created_at),
        touched_at=float(created_at),
    )
