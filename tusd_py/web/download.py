"""Serves finished uploads, with ranges, a safe content type, and links that expire."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web
from multidict import MultiMapping

from tusd_py.errors import LinkRefused
from tusd_py.protocol.links import EXPIRES, SIGNATURE, check_link
from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.retrieval import Retrieval, decide_retrieval, validators_of
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import DataStore, HasFiles
from tusd_py.web.sendfile import KernelFileResponse

_PIECE: Final = 256 * 1024
#: Bytes of a file's name that file systems take. Whole headers have to fit into what proxies
#: have for them, too: nginx has 4 KiB.
_LONGEST_NAME: Final = 255
#: With every answer. What strangers uploaded must never run in this origin: nobody guesses at a
#: type, and whatever a browser shows is in a sandbox, with no more than its own viewers need.
_SAFETY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self';"
    " style-src 'unsafe-inline'",
}
_ANY_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    Answers GET and HEAD for finished uploads.

    Attributes:
        data: Where their bytes are.
        inline_types: Media types that a browser may show; all others are files to save.
        keys: Who has one of these may let others read an upload; none to let everybody who knows
            the upload's URL, or whom `owner_of` lets.
        idle_timeout: How many seconds a client may take nothing.
        clock: Returns seconds since the epoch.
    """

    data: DataStore
    inline_types: frozenset[str]
    keys: tuple[str, ...]
    idle_timeout: float
    clock: Callable[[], float]

    @property
    def need_link(self) -> bool:
        """Tell whether reading takes a signed link."""
        return bool(self.keys)

    def require_link(self, upload_id: str, query: MultiMapping[str]) -> None:
        """
        Check that a request for *upload_id* came by a signed link.

        Whether there is such an upload does not matter, so strangers cannot find out.

        Raises:
            LinkRefused, LinkExpired: It did not.
        """
        given = query.getall(EXPIRES, []), query.getall(SIGNATURE, [])
        if [len(values) for values in given] != [1, 1]:
            raise LinkRefused  # which of several would count?
        (expires,), (signature,) = given
        check_link(upload_id, expires, signature, keys=self.keys, now=self.clock())

    def send(self, upload: Upload, request: web.BaseRequest, method: str) -> web.StreamResponse:
        """
        Answer *method*, GET or HEAD, with the bytes of *upload*, or without them.

        Raises:
            PreconditionFailed, RangeNotSatisfiable: See `decide_retrieval`.
        """
        retrieval = decide_retrieval(method, request.headers, upload)
        headers = _SAFETY | validators_of(upload).headers()
        # "MUST prevent ... caching" (tus 1.0.0, HEAD); a GET may be kept by the client that made
        # it, which asks each time whether it still may.
        headers[hdrs.CACHE_CONTROL] = "no-store" if method == "HEAD" else "private, no-cache"
        if retrieval.status == 304:
            return web.Response(status=304, headers=headers)
        headers |= self._description(upload)
        if retrieval.status == 206:
            last = retrieval.end - 1
            headers[hdrs.CONTENT_RANGE] = f"bytes {retrieval.start}-{last}/{upload.offset}"
        # The real method counts: it decides whether the client waits for a body.
        if request.method == hdrs.METH_HEAD or retrieval.start == retrieval.end:
            headers[hdrs.CONTENT_LENGTH] = str(retrieval.end - retrieval.start)
            return web.Response(status=retrieval.status, headers=headers)
        return self._send_bytes(upload, retrieval, headers)

    def _send_bytes(
        self, upload: Upload, retrieval: Retrieval, headers: dict[str, str]
    ) -> web.StreamResponse:
        start, end = retrieval.start, retrieval.end
        if isinstance(self.data, HasFiles):
            return KernelFileResponse(
                self.data.file_of(upload.id),
                start,
                end,
                idle_timeout=self.idle_timeout,
                status=retrieval.status,
                headers=headers,
            )
        headers[hdrs.CONTENT_LENGTH] = str(end - start)
        pieces = _pieces(upload.id, self.data, start, end)
        return web.Response(status=retrieval.status, body=pieces, headers=headers)

    def _description(self, upload: Upload) -> dict[str, str]:
        """Return what says what the bytes are, and what a browser may do with them."""
        pairs = parse_metadata_leniently(upload.metadata or "")
        given = (pairs.get("filetype") or pairs.get("type") or b"").decode("latin-1")
        media_type = given.partition(";")[0].strip().lower()
        is_inline = media_type in self.inline_types
        if not is_inline:
            media_type = _ANY_TYPE
        elif media_type.startswith("text/"):
            media_type += "; charset=utf-8"  # or a browser would guess
        name = _file_name(pairs.get("filename") or pairs.get("name") or b"")
        return {
            hdrs.CONTENT_TYPE: media_type,
            hdrs.CONTENT_DISPOSITION: _disposition("inline" if is_inline else "attachment", name),
            hdrs.ACCEPT_RANGES: "bytes",
        }


async def _pieces(upload_id: str, data: DataStore, start: int, end: int) -> AsyncIterator[bytes]:
    async with data.open(upload_id) as opened:
        for position in range(start, end, _PIECE):
            count = min(_PIECE, end - position)
            piece = await opened.read(position, count)
            if len(piece) < count:
                raise ConnectionResetError("The data is shorter than it was")
            yield piece


def _disposition(kind: str, name: str) -> str:
    """
    Write a Content-Disposition.

    RFC 8187 encodes what is not ASCII, and with it every character that could end the header;
    the plain form is for clients that know no other (RFC 6266, appendix D).
    """
    if not name:
        return kind
    plain = "".join(char if char.isascii() and char not in '"\\%' else "_" for char in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _file_name(given: bytes) -> str:
    """
    Return the name that the client gave, fit for a directory; empty where it gave none.

    The name is only ever shown, never part of a path here. What cannot be seen would let one name
    pass for another, as characters that turn the direction of reading do.
    """
    name = given.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    name = "".join(char if char.isprintable() else "_" for char in name).strip()
    if name in {".", ".."}:
        return ""
    return name if len(name.encode()) <= _LONGEST_NAME else _shortened(name)


def _shortened(name: str) -> str:
    """Return as much of a long name as there is room for, and its suffix."""
    stem, dot, suffix = name.rpartition(".")
    end = (dot + suffix).encode() if stem and len(suffix.encode()) < 32 else b""
    begin = (stem if end else name).encode()[: _LONGEST_NAME - len(end)]
    return begin.decode("utf-8", "ignore") + end.decode()
