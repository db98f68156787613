"""Turns an upload id into its URL and back, behind proxies too."""

from dataclasses import dataclass

from aiohttp import web

from tusd_py.errors import UploadNotFound
from tusd_py.protocol.upload import is_upload_id
from tusd_py.web.forwarded import Proxies


@dataclass(frozen=True, slots=True)
class Locations:
    """
    Says where an upload is.

    Attributes:
        absolute: Whether to name scheme and host, too.
        public_url: Scheme, host and prefix that clients see, where that is known beforehand.
        proxies: Whose headers tell it otherwise.
    """

    absolute: bool
    public_url: str | None
    proxies: Proxies

    def of(self, upload_id: str, request: web.Request) -> str:
        """
        Return the URL of the upload that *request* created, for the Location header.

        The path of a request to the creation URL is the one that uploads are below, wherever the
        routes are mounted. Alone it is right behind every proxy that keeps the path, and never
        mixed content; so it is where nobody says what the host is called.
        """
        path = f"{request.rel_url.raw_path.rstrip('/')}/{upload_id}"
        if self.public_url is not None:
            return self.public_url + path
        if not (self.absolute or self.proxies.any):
            return path
        origin = self.proxies.origin_of(request)
        base = f"{origin.scheme}://{origin.authority}" if self.absolute and origin.authority else ""
        return base + origin.prefix + path


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
