"""Turns an upload id into its URL and back."""

from aiohttp import web

from tusd_py.errors import UploadNotFound
from tusd_py.protocol.upload import is_upload_id


def location_of(upload_id: str, request: web.Request, public_url: str | None) -> str:
    """
    Return the URL of the upload that *request* created, for the Location header.

    Args:
        upload_id: The new upload.
        request: A request to the creation URL; its path is the one that uploads are below,
            wherever the routes are mounted.
        public_url: Scheme and host that clients see; None for a path alone, which is right
            behind every proxy that keeps the path, and never mixed content.
    """
    base = request.rel_url.raw_path.rstrip("/")
    return f"{(public_url or '').rstrip('/')}{base}/{upload_id}"


def upload_id_of(request: web.Request) -> str | None:
    """
    Return the id that the request's path names, or None for the creation URL.

    Raises:
        UploadNotFound: The path names something that no upload can be called.
    """
    tail = request.match_info.get("tail", "")
    if not tail:
        return None
    # An id has one spelling: the same one written with percent signs names nothing.
    if not is_upload_id(tail) or not request.rel_url.raw_path.endswith("/" + tail):
        raise UploadNotFound
    return tail
