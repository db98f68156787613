"""Makes the directory that uploads are published in, and says what stands against that."""

import errno
import secrets
from pathlib import Path
from typing import Final

from tusd_py.errors import DataDirectoryError
from tusd_py.storage import syscalls
from tusd_py.storage.layout import PROBE_PREFIX, Layout

#: Where in the directory bytes are until they have their name for good; hidden, and for us alone.
STAGING: Final = ".tusd-py"

_NOT_THERE: Final = (
    "make it, or mount the volume that it is on; the server only makes it at a start"
)
_IN_THE_WAY: Final = "move away what is there; symbolic links are not followed"
_NOT_ALLOWED: Final = "let the server's user write there, and to what it made there"
_NO_ROOM: Final = "make room on its file system"
_NO_LINKS: Final = "all that is below it has to be one file system, and one that has hard links"
_ADVICE: Final = {
    errno.ENOENT: _NOT_THERE,
    **dict.fromkeys((errno.ENOTDIR, errno.ELOOP, errno.EISDIR), _IN_THE_WAY),
    **dict.fromkeys((errno.EACCES, errno.EROFS), _NOT_ALLOWED),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _NO_ROOM),
    **dict.fromkeys((errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK), _NO_LINKS),
}


def explained(error: OSError, directory: Path) -> str:
    """Say what failed in the directory, and what to do about it."""
    advice = _ADVICE.get(error.errno or 0, "look after its disk, and at the system's log")
    where = str(error.filename or directory)
    where = "" if where == str(directory) else f" at {where!r}"
    reason = (error.strerror or str(error)).lower()
    return f"publish_directory {directory} cannot be used{where} ({reason}): {advice}"


def prepare_publish_directory(directory: Path, layout: Layout) -> bool:
    """
    Make the directory, durably, and try it out; blocks.

    Returns:
        Whether it takes hard links from the data directory: else uploads are copied.

    Raises:
        DataDirectoryError: Uploads cannot be published there.
    """
    inner, outer = directory.resolve(), layout.root.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DataDirectoryError(
            f"publish_directory {directory} and the data directory {layout.root} must be beside"
            " each other, and neither in the other one."
        )
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, mode=0o750)
            syscalls.flush_directory(inner.parent)
        staging = directory / STAGING
        staging.mkdir(mode=0o700, exist_ok=True)
        return _try_out(directory, staging, layout)
    except OSError as error:
        raise DataDirectoryError(f"{explained(error, directory)}.") from error


def _try_out(directory: Path, staging: Path, layout: Layout) -> bool:
    """Link a file as publishing does; tell whether the data directory's can be linked, too."""
    name = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
    data, staged, published = layout.uploads / name, staging / name, directory / name
    data.touch(mode=0o600)
    try:
        links = True
        try:
            staged.hardlink_to(data)
        except OSError:
            links = False
            staged.touch(mode=0o600)
        published.hardlink_to(staged)
    finally:
        for path in (published, staged, data):
            path.unlink(missing_ok=True)
    return links
