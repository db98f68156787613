"""Reads and writes Upload-Concat: partial, or final with its parts."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tusd_py.errors import InvalidHeader, InvalidPart
from tusd_py.protocol.headers import UPLOAD_CONCAT
from tusd_py.protocol.upload import is_upload_id

_PARTIAL = "partial"
_FINAL = "final;"


@dataclass(frozen=True, slots=True)
class Concat:
    """
    What Upload-Concat asks for.

    Attributes:
        header: The value as it was sent; HEAD has to return it so.
        parts: The ids of the parts in order; None for a partial upload.
    """

    header: str
    parts: tuple[str, ...] | None

    @property
    def is_final(self) -> bool:
        """Tell whether this is the upload that the parts become."""
        return self.parts is not None


def parse_concat(header: str) -> Concat:
    """
    Read an Upload-Concat header.

    "The value MUST be `final` followed by a semicolon and a space-separated list of the partial
    upload URLs" (tus 1.0.0, Concatenation).

    Raises:
        InvalidHeader: It is neither `partial` nor `final;` with at least one URL, or has commas.
        InvalidPart: A URL does not end in an upload's id.
    """
    if header == _PARTIAL:
        return Concat(header, None)
    if not header.startswith(_FINAL):
        raise InvalidHeader(UPLOAD_CONCAT, "must be 'partial' or 'final;' and the parts' URLs.")
    urls = header.removeprefix(_FINAL).split()
    if not urls:
        raise InvalidHeader(UPLOAD_CONCAT, "'final;' must be followed by the parts' URLs.")
    return Concat(header, tuple(_upload_id(url) for url in urls))


def format_final(urls: list[str]) -> str:
    """Write the Upload-Concat header of a final upload made of the uploads at *urls*."""
    return _FINAL + " ".join(urls)


def _upload_id(url: str) -> str:
    """
    Return the id at the end of a part's URL.

    Only the end counts: clients send URLs as they see them, absolute or not, and behind a proxy
    they carry a host and a prefix that this server has never heard of.
    """
    if "," in url:
        # Two URLs with a comma between them would pass for the second alone.
        raise InvalidHeader(UPLOAD_CONCAT, "the URLs are separated by spaces.")
    try:
        candidate = urlsplit(url).path.rpartition("/")[2]
    except ValueError:  # what urlsplit raises for, say, an unclosed bracket in the host
        candidate = ""
    if not is_upload_id(candidate):
        raise InvalidPart(f"Upload-Concat: {url!r} is not the URL of an upload.")
    return candidate
