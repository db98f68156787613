"""
tuspy's uploader, with what it leaves to its caller.

tuspy alone waits for answers for ever, opens a connection for each request, does not look at the
status of answers, and tries again what no retry can cure.
"""

import io
import time
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol, TypeVar
from urllib.parse import urljoin

import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.request import TusRequest
from tusclient.uploader.uploader import Uploader

from tusd_py.cli.connection import Connection, Server, refusal, succeeded
from tusd_py.cli.failures import failure_of
from tusd_py.cli.output import Failure

_Result = TypeVar("_Result")

#: Seconds before the first retry, which grow by as much until the cap.
RETRY_DELAY: Final = 1.0
LONGEST_RETRY_DELAY: Final = 5.0

#: What another attempt may cure although it is a client error: a time-out, an offset that is
#: elsewhere, an upload that is busy, too many requests, a chunk that was damaged on the way.
_CURABLE: Final = {408, 409, 423, 425, 429, 460}
_PROGRESS_INTERVAL: Final = 0.1


def _is_curable(error: TusCommunicationError) -> bool:
    if error.status_code is None:
        cause = error.__cause__
        return isinstance(
            cause,
            requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
        ) and not isinstance(cause, requests.exceptions.SSLError)
    status = int(error.status_code)
    return status in _CURABLE or (status >= 500 and status != 501)


class _WatchedChunk(io.BytesIO):
    """A chunk that tells how far it has been read, and so about how far it has been sent."""

    def __init__(self, chunk: bytes, on_offset: Callable[[int], None]) -> None:
        super().__init__(chunk)
        self._on_offset = on_offset
        self._told_at = 0.0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_INTERVAL:
            self._told_at = now
            self._on_offset(self.tell())
        return block


class _ChunkRequest(TusRequest):
    """tuspy's PATCH of one chunk, over our connection."""

    def __init__(self, uploader: Uploader) -> None:
        TusRequest.__init__(self, uploader)

    def send(self, connection: Connection, on_offset: Callable[[int], None]) -> requests.Response:
        chunk = self.file.read(self._content_length)
        if not chunk:
            raise Failure("file_changed", "became shorter while it was being sent; upload it again")
        self.add_checksum(chunk)
        return connection.request(
            "PATCH", self._url, data=_WatchedChunk(chunk, on_offset), headers=self._request_headers
        )


class Watcher(Protocol):
    """Is told how an upload goes."""

    def on_offset(self, offset: int) -> None:
        """So many bytes have been sent."""
        ...

    def on_retry(self, failure: Failure, seconds: float) -> None:
        """There will be another attempt in so many seconds, because of *failure*."""
        ...


class PatientUploader(Uploader):
    """
    Uploads one file, trying again what a retry can cure.

    Args:
        file: Open for reading and seekable; stays open.
        connection: Makes the requests.
        server: Where to.
        chunk_size: Bytes of one PATCH, which are held in memory.
        metadata: Goes into Upload-Metadata, in UTF-8.
        retries: How often to try again without the upload having moved on in between.
        watcher: Is told how it goes.
    """

    def __init__(
        self,
        file: BinaryIO,
        connection: Connection,
        server: Server,
        *,
        chunk_size: int,
        metadata: dict[str, str],
        retries: int,
        watcher: Watcher,
    ) -> None:
        super().__init__(
            file_stream=file,
            client=TusClient(server.url),
            chunk_size=chunk_size,
            metadata=metadata,
            retries=retries,
            upload_checksum=server.verifies_sha1,
        )
        self._connection = connection
        self._server = server
        self._watcher = watcher
        self._in_doubt = False
        self.upload_url = ""
        self.size: int = self.stop_at

    def resume(self, url: str) -> bool:
        """
        Go on with the upload at *url*; false when it is gone, or not of this file.

        Raises:
            TusCommunicationError: The server does not say how far the upload is.
        """
        self.set_url(url)
        try:
            self.offset = self._patiently(self.get_offset)
        except TusCommunicationError as error:
            if error.status_code not in {404, 410}:
                raise
            return False
        return True

    def create(self) -> str:
        """
        Create the upload and return its URL.

        Raises:
            TusCommunicationError: The server refused, or could not be reached.
        """
        self.set_url(self._patiently(self.create_url))
        return self.upload_url

    def set_url(self, url: str) -> None:
        """Append to the upload at *url* from now on."""
        super().set_url(url)
        self.upload_url = url

    def get_headers(self) -> dict[str, str]:
        """Return the headers of every request, beside those of the connection."""
        return dict(self.DEFAULT_HEADERS)

    def create_url(self) -> str:
        """Ask once for a new upload; tuspy would take any answer with a Location for consent."""
        headers = Uploader.get_url_creation_headers(self)
        answer = self._connection.request("POST", self._server.url, headers=headers)
        if not succeeded(answer) or "Location" not in answer.headers:
            raise refusal(answer)
        return urljoin(self._server.url, answer.headers["Location"])

    def get_offset(self) -> int:
        """Ask once how far the upload is."""
        answer = self._connection.request("HEAD", self.upload_url, headers=self.get_headers())
        offset = self._offset_in(answer)
        if offset > self.size or answer.headers.get("Upload-Length") not in {None, str(self.size)}:
            # Another upload is at this URL: ours is as good as gone.
            raise TusCommunicationError(None, 410)
        return offset

    def finish(self) -> None:
        """Send what the server does not have yet."""
        self._watcher.on_offset(self.offset)
        while self.offset < self.size:
            self.upload_chunk()

    def upload_chunk(self) -> None:
        """Send the next chunk, in as many attempts as are allowed."""
        self._patiently(self._try_chunk)

    def _try_chunk(self) -> None:
        if self._in_doubt:
            self.offset = self.get_offset()
        if self.offset < self.stop_at:
            self._in_doubt = True
            request = _ChunkRequest(self)
            before = self.offset
            answer = request.send(
                self._connection, lambda sent: self._watcher.on_offset(before + sent)
            )
            self.offset = self._offset_in(answer)
            if self.offset == before:
                # Without this, a server that takes nothing would be asked for ever.
                raise TusCommunicationError(None, 503)
        self._in_doubt = False
        self._watcher.on_offset(self.offset)

    def _offset_in(self, answer: requests.Response) -> int:
        offset = answer.headers.get("Upload-Offset", "")
        if not succeeded(answer) or not offset.isdecimal():
            raise refusal(answer)
        return int(offset)

    def _patiently(self, attempt: Callable[[], _Result]) -> _Result:
        failures, furthest = 0, self.offset
        while True:
            try:
                return attempt()
            except TusCommunicationError as error:
                if self.offset > furthest:
                    failures, furthest = 0, self.offset
                failures += 1
                if failures > self.retries or not _is_curable(error):
                    raise
                wait = min(failures * RETRY_DELAY, LONGEST_RETRY_DELAY)
                self._watcher.on_retry(failure_of(error, self.upload_url or self._server.url), wait)
                time.sleep(wait)
