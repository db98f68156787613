"""Sends one file: creates its upload or goes on with it, keeping its URL until all is sent."""

import mimetypes
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tusclient.exceptions import TusCommunicationError

from tusd_py.cli.connection import Connection, Server
from tusd_py.cli.failures import failure_of
from tusd_py.cli.output import Failure, approximate_size, as_utf8_text
from tusd_py.cli.upload_urls import UploadUrls, key_of
from tusd_py.cli.uploader import PatientUploader, Watcher


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How files are to be sent.

    Attributes:
        chunk_size: Bytes of one PATCH, which are held in memory.
        metadata: Goes with every file, beside its name and type.
        retries: How often to try again without the upload having moved on in between.
        watch: Makes the watcher of a file, given its name and size.
    """

    chunk_size: int
    metadata: dict[str, str]
    retries: int
    watch: Callable[[str, int], AbstractContextManager[Watcher]]


@dataclass(frozen=True, slots=True)
class Sent:
    """
    A file that the server has in full.

    Attributes:
        url: Where it is.
        size: Its bytes.
        resumed_at: How many of them an earlier call had sent.
        verified: Whether the server checked what this call sent against checksums.
        seconds: How long this call took.
    """

    url: str
    size: int
    resumed_at: int
    verified: bool
    seconds: float


def send(path: Path, connection: Connection, server: Server, urls: UploadUrls, plan: Plan) -> Sent:
    """
    Upload the file at *path*, or what an earlier call left to do of it.

    Raises:
        Failure: The server does not have all of it; what it has is remembered for the next call.
    """
    started = time.monotonic()
    filetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    metadata = {"filename": as_utf8_text(path.name), "filetype": filetype} | plan.metadata
    with _opened(path) as file, plan.watch(path.name, os.fstat(file.fileno()).st_size) as watcher:
        facts = os.fstat(file.fileno())
        key = key_of(server.url, path, facts, metadata)
        uploader = PatientUploader(
            file,
            connection,
            server,
            chunk_size=plan.chunk_size,
            metadata=metadata,
            retries=plan.retries,
            watcher=watcher,
        )
        try:
            resumed_at = _resume_or_create(uploader, server, urls, key)
            uploader.finish()
        except TusCommunicationError as error:
            if error.status_code in {404, 410}:
                urls.forget(key)
            raise failure_of(error, uploader.upload_url or server.url) from error
        except OSError as error:
            raise _unreadable(error) from error
        urls.forget(key)
        now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns) != (facts.st_size, facts.st_mtime_ns):
        raise Failure(
            "file_changed", f"changed while it was sent to {uploader.upload_url}; send it again"
        )
    return Sent(
        url=uploader.upload_url,
        size=facts.st_size,
        resumed_at=resumed_at,
        verified=server.verifies_sha1 and resumed_at < facts.st_size,
        seconds=time.monotonic() - started,
    )


def _resume_or_create(uploader: PatientUploader, server: Server, urls: UploadUrls, key: str) -> int:
    url = urls.find(key)
    if url is not None:
        if uploader.resume(url):
            return uploader.offset
        urls.forget(key)
    if server.max_size is not None and uploader.size > server.max_size:
        size, limit = approximate_size(uploader.size), approximate_size(server.max_size)
        raise Failure("upload_too_large", f"has {size}, and the server takes {limit} at most")
    urls.remember(key, uploader.create())
    return 0


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Failure("not_a_file", "is a directory; name the files in it")
        if not stat.S_ISREG(mode):
            raise Failure("not_a_file", "is not a file that can be read twice, as a retry must")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Failure("file_not_found", "there is no such file") from error
    except OSError as error:
        raise _unreadable(error) from error
    with file:
        yield file


def _unreadable(error: OSError) -> Failure:
    return Failure("unreadable", f"cannot be read: {(error.strerror or str(error)).lower()}")
