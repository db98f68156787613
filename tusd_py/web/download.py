"""Serves finished uploads, with ranges and a safe content type."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from aiohttp import hdrs, web

from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import DataStore, HasFiles
from tusd_py.web.sendfile import KernelFileResponse

_PIECE = 256 * 1024


def send_upload(upload: Upload, data: DataStore, *, idle_timeout: float) -> web.StreamResponse:
    """
    Answer GET with the bytes of *upload*.

    What strangers uploaded must never run in this origin: it is always an attachment of an
    opaque type, is not sniffed, and would be sandboxed where a browser showed it all the same.
    """
    headers = {
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.CONTENT_DISPOSITION: _disposition(upload),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        hdrs.CACHE_CONTROL: "private, no-cache",
    }
    if isinstance(data, HasFiles):
        path = data.file_of(upload.id)
        return KernelFileResponse(path, idle_timeout=idle_timeout, headers=headers)
    return web.Response(body=_pieces(upload, data), headers=headers)


async def _pieces(upload: Upload, data: DataStore) -> AsyncIterator[bytes]:
    async with data.open(upload.id) as opened:
        for position in range(0, upload.offset, _PIECE):
            yield await opened.read(position, min(_PIECE, upload.offset - position))


def _disposition(upload: Upload) -> str:
    """
    Return a Content-Disposition with the name the client gave, if it gave one.

    The name is only ever shown, never part of a path here; RFC 8187 encodes what is not ASCII,
    and with it every character that could end the header.
    """
    name = _filename(upload)
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}" if name else "attachment"


def _filename(upload: Upload) -> str:
    pairs = parse_metadata_leniently(upload.metadata or "")
    name = pairs.get("filename") or pairs.get("name") or b""
    return name.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
