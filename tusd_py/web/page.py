"""
Serves the page at /, on which people try uploads.

Its files are read once, before the first request, and no path that a client names ever reaches the
file system. Where scripts/page has not built the part of it that is Uppy, the rest is served.
"""

import asyncio
import hashlib
import html
import json
import logging
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Final, Literal

from aiohttp import ETag, hdrs, web

log = logging.getLogger(__name__)

#: Whether finished uploads are to be had by their URL alone, by a signed one, or not at all.
Downloads = Literal["open", "signed", "off"]

#: What the page consists of without Uppy; `plain.js` imports the other scripts.
PLAIN: Final = (
    *("page.css", "plain.js"),
    *("events.js", "finished.js", "remembered.js", "server.js", "snippets.js", "token.js"),
    *("watching.js", "words.js"),
)
_TYPES: Final = {"js": "text/javascript", "css": "text/css", "txt": "text/plain"}
#: Nothing is loaded from elsewhere, nothing inline is obeyed, and no other page may frame this one.
#: Uppy shows previews of files by blob: and data:.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: For files whose names change with what is in them, and for all others.
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_REVALIDATED: Final = "no-cache"


def add_page(
    app: web.Application, *, base_path: str, downloads: Downloads, needs_token: bool
) -> None:
    """
    Answer GET / with the page, and GET /page/... with its files.

    Uploads below *base_path* stay what they are, be it / or /page/, where their routes are added
    after this. With *needs_token* the page asks for a token at once; else it does so when the
    server has answered 401.
    """
    page = _Page(base_path, downloads, needs_token=needs_token)
    app.on_startup.append(page.read)
    app.router.add_get("/", page.show)
    # With a dot in its name a file cannot be mistaken for an upload.
    app.router.add_get(r"/page/{name:[^/]+\.[^/]+}", page.show)


class _Page:
    """The page's files, by name; the page itself has none."""

    def __init__(self, base_path: str, downloads: Downloads, *, needs_token: bool) -> None:
        self._values = {
            # Relative, for a proxy may have put a prefix in front of both.
            "uploads": "." + base_path,
            "downloads": downloads,
            "token": "needed" if needs_token else "",
        }
        self._files: dict[str, _File] = {}

    async def read(self, _: web.Application) -> None:
        self._files = await asyncio.to_thread(_read, self._values)

    async def show(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info.get("name", ""))
        if file is None:
            raise web.HTTPNotFound
        headers = _HEADERS | {
            hdrs.CACHE_CONTROL: file.caching,
            hdrs.ETAG: f'"{file.etag.value}"',
        }
        if file.etag in (request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
        )


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    caching: str
    etag: ETag


def _file(body: bytes, content_type: str, caching: str) -> _File:
    return _File(body, content_type, caching, ETag(hashlib.sha256(body).hexdigest()[:32]))


def _read(values: dict[str, str]) -> dict[str, _File]:
    """
    Return every file of the page by its name; the page itself has the empty one.

    Args:
        values: What it says of this server.
    """
    place = files("tusd_py").joinpath("page")
    bundle = _read_bundle(place.joinpath("static"))
    if bundle is not None:
        found, script, style = bundle
    else:
        found = {name: _asset(place, name, _REVALIDATED) for name in PLAIN}
        script, style = "plain.js", "page.css"
    bundled = {
        "bundle": "missing" if bundle is None else "built",
        "script": script,
        "style": style,
    }
    escaped = {name: html.escape(value) for name, value in (values | bundled).items()}
    index = Template(place.joinpath("index.html").read_text("utf-8")).substitute(escaped)
    return {**found, "": _file(index.encode(), "text/html", _REVALIDATED)}


def _read_bundle(static: Traversable) -> tuple[dict[str, _File], str, str] | None:
    """Return what scripts/page built, its script's name and its stylesheet's; None without it."""
    manifest = static.joinpath("manifest.json")
    if not manifest.is_file():
        return None
    try:
        names = json.loads(manifest.read_text("utf-8"))
        script, style, licences = names["script"], names["style"], names["licences"]
        found = {name: _asset(static, name, _IMMUTABLE) for name in (script, style)}
        found[licences] = _asset(static, licences, _REVALIDATED)
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning(
            "The page at / lacks Uppy: %s is damaged (%r). Run scripts/page.", static, error
        )
        return None
    return found, script, style


def _asset(directory: Traversable, name: str, caching: str) -> _File:
    body = directory.joinpath(name).read_bytes()
    return _file(body, _TYPES[name.rpartition(".")[2]], caching)
