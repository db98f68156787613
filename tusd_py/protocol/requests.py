"""
Parses method and headers into Create, Append, Inspect, Terminate or Discover.

What can be refused by looking at the request alone is refused here; what depends on the upload
is decided in `rules`.
"""

from dataclasses import dataclass

from tusd_py.errors import (
    InvalidHeader,
    MethodNotAllowed,
    UnsupportedMediaType,
    UnsupportedVersion,
)
from tusd_py.protocol import headers as names
from tusd_py.protocol.checksum import Checksum, parse_checksum
from tusd_py.protocol.concatenation import Concat, parse_concat
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import Headers
from tusd_py.protocol.metadata import parse_metadata

_METHODS = ("OPTIONS", "HEAD", "POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Discover:
    """OPTIONS: what does this server offer?"""


@dataclass(frozen=True, slots=True)
class Inspect:
    """HEAD: how far is the upload?"""

    upload_id: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """DELETE: the upload is not wanted any more."""

    upload_id: str


@dataclass(frozen=True, slots=True)
class Payload:
    """
    The upload data that comes with a request.

    Attributes:
        length: Bytes announced; None when the body's own framing tells the end.
        checksum: What the whole of it hashes to, if the client said so beforehand.
        checksum_follows: The client announced Upload-Checksum as a trailer.
    """

    length: int | None
    checksum: Checksum | None = None
    checksum_follows: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """PATCH: put the payload at the offset; *length* declares a length deferred until now."""

    upload_id: str
    offset: int
    payload: Payload
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """POST: make an upload; *payload* is its first chunk where one came along."""

    length: int | None
    metadata: str | None = None
    concat: Concat | None = None
    payload: Payload | None = None


Request = Discover | Create | Append | Inspect | Terminate


def effective_method(method: str, headers: Headers, policy: Policy) -> str:
    """
    Return the method to act on.

    X-HTTP-Method-Override "MUST be interpreted as the request's method by the Server, if the
    header is presented. The actual method of the request MUST be ignored" (tus 1.0.0).
    """
    if policy.method_override:
        override = names.read_text(headers, names.METHOD_OVERRIDE)
        if override is not None:
            return override.upper()
    return method


def allowed_methods(policy: Policy, *, of_upload: bool) -> tuple[str, ...]:
    """Return the tus methods of an upload's URL, or of the URL where uploads are created."""
    if not of_upload:
        return ("OPTIONS", "POST") if policy.offers(Extension.CREATION) else ("OPTIONS",)
    methods = ("OPTIONS", "HEAD", "PATCH")
    return (*methods, "DELETE") if policy.offers(Extension.TERMINATION) else methods


def check_version(method: str, headers: Headers, policy: Policy) -> None:
    """
    Refuse a version that this server does not speak, before anything else is looked at.

    "The Server MUST respond with the 412 Precondition Failed status and MUST include the
    Tus-Version header", and it "MUST NOT process the request"; for OPTIONS it "MUST ignore the
    header" (tus 1.0.0).

    Raises:
        UnsupportedVersion: Tus-Resumable is missing or names another version.
    """
    if method == "OPTIONS":
        return
    version = names.read_text(headers, names.TUS_RESUMABLE)
    if version == names.VERSION:
        return
    if version is None and method == "HEAD" and policy.head_without_version:
        return
    raise UnsupportedVersion(f"Tus-Resumable must be {names.VERSION}.")


def parse(method: str, upload_id: str | None, headers: Headers, policy: Policy) -> Request:
    """
    Read a request for the upload *upload_id*, or for the creation URL where that is None.

    Its version was checked before, and before its path: see `check_version`.

    Raises:
        MethodNotAllowed, InvalidHeader, UnsupportedMediaType, InvalidPart,
        UnsupportedChecksumAlgorithm: The request cannot be right whatever the upload's state.
    """
    if method == "OPTIONS":
        return Discover()
    allowed = allowed_methods(policy, of_upload=upload_id is not None)
    if method in allowed:
        if upload_id is None:
            return _parse_create(headers, policy)
        if method == "HEAD":
            return Inspect(upload_id)
        if method == "PATCH":
            return _parse_append(upload_id, headers, policy)
        return Terminate(upload_id)
    raise MethodNotAllowed(method if method in _METHODS else "This method", allowed)


def _parse_append(upload_id: str, headers: Headers, policy: Policy) -> Append:
    # "All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the
    # server SHOULD return a 415 Unsupported Media Type status."
    _require_offset_octet_stream(headers)
    offset = names.read_integer(headers, names.UPLOAD_OFFSET)
    if offset is None:
        raise InvalidHeader(names.UPLOAD_OFFSET, "is missing.")
    length = names.read_integer(headers, names.UPLOAD_LENGTH)
    return Append(upload_id, offset, _parse_payload(headers, policy), length)


def _parse_create(headers: Headers, policy: Policy) -> Create:
    concat = _parse_concat(headers, policy)
    return Create(
        length=_parse_length(headers, policy, concat),
        metadata=_parse_metadata(headers, policy),
        concat=concat,
        payload=_parse_first_payload(headers, policy, concat),
    )


def _parse_length(headers: Headers, policy: Policy, concat: Concat | None) -> int | None:
    length = names.read_integer(headers, names.UPLOAD_LENGTH)
    deferred = names.read_defer_length(headers)
    if concat is not None and concat.is_final:
        # "The Client MUST NOT include the Upload-Length header in the final upload creation."
        if length is not None or deferred:
            raise InvalidHeader(names.UPLOAD_LENGTH, "a final upload is as long as its parts.")
        return None
    if length is not None and deferred:
        raise InvalidHeader(names.UPLOAD_DEFER_LENGTH, "contradicts Upload-Length: send one.")
    if length is None and not deferred:
        # "The request MUST include one of the following headers": the length, or its deferral.
        raise InvalidHeader(names.UPLOAD_LENGTH, "is missing, and so is Upload-Defer-Length.")
    if deferred and not policy.offers(Extension.CREATION_DEFER_LENGTH):
        raise InvalidHeader(names.UPLOAD_DEFER_LENGTH, "is not offered here: send Upload-Length.")
    return length


def _parse_metadata(headers: Headers, policy: Policy) -> str | None:
    metadata = names.read_text(headers, names.UPLOAD_METADATA)
    if metadata and not policy.lenient_metadata:
        parse_metadata(metadata)
    return metadata or None


def _parse_concat(headers: Headers, policy: Policy) -> Concat | None:
    value = names.read_text(headers, names.UPLOAD_CONCAT)
    if value is None:
        return None
    if not policy.offers(Extension.CONCATENATION):
        raise InvalidHeader(names.UPLOAD_CONCAT, "concatenation is not offered here.")
    return parse_concat(value)


def _parse_first_payload(headers: Headers, policy: Policy, concat: Concat | None) -> Payload | None:
    """Return the first chunk where the POST brings one: its content type says so."""
    length = names.body_length(headers)
    if not names.is_offset_octet_stream(headers):
        # Clients declare other types for the empty body they send (aiohttp's does).
        if length == 0:
            return None
        raise UnsupportedMediaType(f"Upload data must come as {names.OFFSET_OCTET_STREAM}.")
    if concat is not None and concat.is_final:
        if length == 0:
            return None
        raise InvalidHeader(names.UPLOAD_CONCAT, "a final upload takes no data of its own.")
    if not policy.offers(Extension.CREATION_WITH_UPLOAD):
        if length == 0:
            return None
        raise UnsupportedMediaType("Data with the creation is not offered here: use PATCH.")
    _refuse_content_encoding(headers)
    return _parse_payload(headers, policy)


def _parse_payload(headers: Headers, policy: Policy) -> Payload:
    value = names.read_text(headers, names.UPLOAD_CHECKSUM)
    follows = names.announces_trailer(headers, names.UPLOAD_CHECKSUM)
    if value is not None and not policy.offers(Extension.CHECKSUM):
        raise InvalidHeader(names.UPLOAD_CHECKSUM, "checksums are not offered here.")
    if follows and not policy.offers(Extension.CHECKSUM_TRAILER):
        raise InvalidHeader(names.TRAILER, "a checksum after the body is not offered here.")
    if follows and value is not None:
        raise InvalidHeader(names.UPLOAD_CHECKSUM, "is there and announced as a trailer: send one.")
    checksum = None if value is None else parse_checksum(value, policy.algorithms)
    return Payload(names.body_length(headers), checksum, follows)


def _require_offset_octet_stream(headers: Headers) -> None:
    if not names.is_offset_octet_stream(headers):
        raise UnsupportedMediaType(f"Content-Type must be {names.OFFSET_OCTET_STREAM}.")
    _refuse_content_encoding(headers)


def _refuse_content_encoding(headers: Headers) -> None:
    # Offsets count the bytes of the file. Of a compressed body nobody could say where it stopped.
    encodings = {value.strip().lower() for value in headers.getall(names.CONTENT_ENCODING, [])}
    if encodings - {"", "identity"}:
        raise UnsupportedMediaType("Content-Encoding must be absent: send the bytes as they are.")
