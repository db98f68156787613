"""Names the tus headers, and reads their numbers and flags strictly."""

import re
from typing import Final, Protocol

from tusd_py.errors import InvalidHeader
from tusd_py.protocol.upload import MAX_LENGTH

TUS_RESUMABLE: Final = "Tus-Resumable"
TUS_VERSION: Final = "Tus-Version"
TUS_EXTENSION: Final = "Tus-Extension"
TUS_MAX_SIZE: Final = "Tus-Max-Size"
TUS_CHECKSUM_ALGORITHM: Final = "Tus-Checksum-Algorithm"
UPLOAD_OFFSET: Final = "Upload-Offset"
UPLOAD_LENGTH: Final = "Upload-Length"
UPLOAD_DEFER_LENGTH: Final = "Upload-Defer-Length"
UPLOAD_METADATA: Final = "Upload-Metadata"
UPLOAD_CONCAT: Final = "Upload-Concat"
UPLOAD_CHECKSUM: Final = "Upload-Checksum"
UPLOAD_EXPIRES: Final = "Upload-Expires"
METHOD_OVERRIDE: Final = "X-HTTP-Method-Override"

CONTENT_TYPE: Final = "Content-Type"
CONTENT_LENGTH: Final = "Content-Length"
CONTENT_ENCODING: Final = "Content-Encoding"
TRANSFER_ENCODING: Final = "Transfer-Encoding"
TRAILER: Final = "Trailer"

VERSION: Final = "1.0.0"
OFFSET_OCTET_STREAM: Final = "application/offset+octet-stream"

_INTEGER = re.compile(r"[0-9]{1,19}")
_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]*")


class Headers(Protocol):
    """A request's headers, looked up without regard to case; multidict's CIMultiDict is one."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of *key* in order of appearance."""
        ...


def read_text(headers: Headers, name: str) -> str | None:
    """
    Return the one value of *name* without surrounding blanks, or None where it is absent.

    Raises:
        InvalidHeader: It is repeated (which value would count?) or not printable ASCII. The tus
            headers are all ASCII, and some are echoed: this is what keeps a smuggled line
            break or byte out of a response.
    """
    values = headers.getall(name, [])
    if not values:
        return None
    if len(values) > 1:
        raise InvalidHeader(name, "must be sent once only.")
    value = values[0].strip(" \t")
    if not _PRINTABLE_ASCII.fullmatch(value):
        raise InvalidHeader(name, "must be printable ASCII.")
    return value


def read_integer(headers: Headers, name: str) -> int | None:
    """
    Return the non-negative integer in *name*, or None where the header is absent.

    "The value MUST be a non-negative integer" (tus 1.0.0, Upload-Offset and Upload-Length).

    Raises:
        InvalidHeader: It is anything but digits, or larger than `MAX_LENGTH`.
    """
    value = read_text(headers, name)
    if value is None:
        return None
    if not _INTEGER.fullmatch(value):
        raise InvalidHeader(name, "must be a non-negative integer.")
    number = int(value)
    if number > MAX_LENGTH:
        raise InvalidHeader(name, f"must not exceed {MAX_LENGTH}.")
    return number


def read_defer_length(headers: Headers) -> bool:
    """
    Tell whether the client defers the length.

    Raises:
        InvalidHeader: "Its value MUST be 1" (tus 1.0.0, Upload-Defer-Length).
    """
    value = read_text(headers, UPLOAD_DEFER_LENGTH)
    if value not in (None, "1"):
        raise InvalidHeader(UPLOAD_DEFER_LENGTH, "must be 1 or absent.")
    return value == "1"


def body_length(headers: Headers) -> int | None:
    """
    Return the bytes the body announces, or None when its end is known only once it comes.

    A request with neither Content-Length nor Transfer-Encoding has no body (RFC 9112, section
    6.3); Chromium ends deferred-length uploads with such a PATCH. Which values are acceptable
    was settled by the HTTP parser already.
    """
    if headers.getall(TRANSFER_ENCODING, []):
        return None
    values = headers.getall(CONTENT_LENGTH, [])
    return int(values[0]) if values else 0


def is_offset_octet_stream(headers: Headers) -> bool:
    """Tell whether the body is declared as upload data; parameters are no part of the name."""
    values = headers.getall(CONTENT_TYPE, [])
    return len(values) == 1 and values[0].partition(";")[0].strip().lower() == OFFSET_OCTET_STREAM


def announces_trailer(headers: Headers, name: str) -> bool:
    """Tell whether the Trailer header says that *name* comes after the body (RFC 9110, 6.6.2)."""
    fields = ",".join(headers.getall(TRAILER, [])).split(",")
    return name.lower() in {field.strip().lower() for field in fields}
