"""
Defects for tests of the fuzzer: each lets the server do one thing that it must never do.

A defect is made from what it takes the place of, and is there while its context lasts.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from multidict import CIMultiDict, CIMultiDictProxy

from tusd_py.errors import UploadTooLarge
from tusd_py.protocol import responses
from tusd_py.storage.local import LocalStore
from tusd_py.uploads.buffers import BufferPool
from tusd_py.uploads.service import UploadService
from tusd_py.web import body, middleware, tus
from tusd_py.web.chunked import ChunkedDecoder
from tusd_py.web.connection import Connection
from tusd_py.web.download import Delivery
from tusd_py.web.tus import TusHandler

Defect = Callable[[], AbstractContextManager[Any]]

#: What must not be collected while it is there for good.
kept: Final[list[Any]] = []


def _in_place_of(owner: Any, name: str) -> Callable[[Callable[[Any], Any]], Defect]:
    def decorate(make: Callable[[Any], Any]) -> Defect:
        return lambda: patch.object(owner, name, make(getattr(owner, name)))

    return decorate


@_in_place_of(tus, "parse")
def an_exception(parse: Any) -> Any:
    """Some header, and the handler raises what nobody expects."""

    def failing(method: str, upload_id: str | None, headers: Any, policy: Any) -> Any:
        if "Cookie" in headers:
            raise KeyError("Cookie")
        return parse(method, upload_id, headers, policy)

    return failing


@_in_place_of(TusHandler, "handle")
def a_hang(handle: Any) -> Any:
    """Some header, and the handler waits for what never comes."""

    async def hanging(self: TusHandler, request: Any) -> Any:
        if "Origin" in request.headers:
            await asyncio.Event().wait()
        return await handle(self, request)

    return hanging


@_in_place_of(Connection, "_begin_body")
def an_unread_body(begin_body: Any) -> Any:
    """The body of a PUT, which nobody wants, is read as the next request."""

    def ending(self: Connection, message: Any) -> None:
        begin_body(self, message)
        if message.method == "PUT" and self._body is not None:
            self._body.feed_eof()
            self._body = None

    return ending


@_in_place_of(ChunkedDecoder, "_read_chunk_end")
def a_smuggled_request(read_chunk_end: Any) -> Any:
    """A chunked body ends with its first chunk; what follows is the next request."""

    def ending(self: ChunkedDecoder, line: bytes) -> None:
        read_chunk_end(self, line)
        self.ended = True

    return ending


@_in_place_of(ChunkedDecoder, "_take_line")
def lenient_line_ends(take_line: Any) -> Any:
    """A chunk's lines may end in a line feed alone."""

    def lenient(self: ChunkedDecoder, data: bytes, position: int) -> int:
        end = data.find(b"\n", position)
        if end >= 0 and not (self._line + data[position:end]).endswith(b"\r"):
            take_line(self, data[position:end] + b"\r\n", 0)
            return end + 1
        taken: int = take_line(self, data, position)
        return taken

    return lenient


@_in_place_of(TusHandler, "handle")
def trailers_as_headers(handle: Any) -> Any:
    """What comes after a body counts as if it had come before it."""

    async def mixing(self: TusHandler, request: Any) -> Any:
        mixed = CIMultiDict(request.headers)
        mixed.update(getattr(request.content, "trailers", ()))
        request._cache["headers"] = CIMultiDictProxy(mixed)
        return await handle(self, request)

    return mixing


@_in_place_of(ChunkedDecoder, "decode")
def an_altered_byte(decode: Any) -> Any:
    """A byte is not what was sent, where a chunk has an extension."""

    def altering(self: ChunkedDecoder, data: bytes) -> tuple[bytes, bytes]:
        payload, rest = decode(self, data)
        return (b"?" + payload[1:] if payload and b";" in data else payload), rest

    return altering


@_in_place_of(responses, "describe_append")
def an_offset_that_runs_ahead(describe_append: Any) -> Any:
    """An answer promises a byte more than there is."""
    return lambda upload: describe_append(replace(upload, offset=upload.offset + 1))


@_in_place_of(body, "expects_continue")
def an_uninvited_hint(_: Any) -> Any:
    """Clients are told to continue that do not wait."""
    return lambda request: True


@_in_place_of(middleware, "_request_id")
def an_echo(request_id: Any) -> Any:
    """A client's own name for its request is returned, whatever is in it."""
    return lambda request: request.headers.get("X-Request-ID") or request_id(request)


@_in_place_of(Delivery, "send")
def a_task_left_behind(send: Any) -> Any:
    """Every download begins something that never ends."""

    def beginning(*arguments: Any, **options: Any) -> Any:
        kept.append(asyncio.create_task(asyncio.sleep(3600)))
        return send(*arguments, **options)

    return beginning


@_in_place_of(Delivery, "send")
def a_descriptor_left_open(send: Any) -> Any:
    """Every download opens a file, which is not closed before the server is gone."""

    def opening(*arguments: Any, **options: Any) -> Any:
        kept.append(os.fdopen(os.open(os.devnull, os.O_RDONLY)))
        return send(*arguments, **options)

    return opening


@_in_place_of(BufferPool, "give_back")
def buffers_lent_for_good(give_back: Any) -> Any:
    """Large buffers do not come back."""
    return lambda self, small, large: give_back(self, small, [])


@_in_place_of(UploadService, "append")
def a_hold_for_good(append: Any) -> Any:
    """Whoever is refused for its size keeps the upload."""

    async def holding(self: UploadService, request: Any, *arguments: Any, **more: Any) -> Any:
        try:
            return await append(self, request, *arguments, **more)
        except UploadTooLarge:
            kept.append(self._locks.hold(request.upload_id))
            await kept[-1].__aenter__()
            raise

    return holding


@_in_place_of(LocalStore, "remove")
def a_file_left_behind(_: Any) -> Any:
    """What is terminated stays on the disk."""

    async def keeping(self: LocalStore, upload_id: str) -> int:
        return 0

    return keeping
