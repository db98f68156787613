"""Lets failures say when the upload that they are about expires."""

from collections.abc import Iterator
from contextlib import contextmanager

from tusd_py.errors import TusError
from tusd_py.protocol.upload import Upload


@contextmanager
def expiring(upload: Upload) -> Iterator[None]:
    """
    Let what is raised say when *upload* expires.

    Upload-Expires "MUST be included in every PATCH response if the upload is going to expire".
    """
    try:
        yield
    except TusError as error:
        error.expires_at = upload.expires_at
        raise
