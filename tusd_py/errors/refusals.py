"""The client broke a rule, or named something that is not there."""

from http import HTTPStatus

from tusd_py.errors.error import ProtocolError


class InvalidHeader(ProtocolError):
    """A header is missing, malformed, repeated, or contradicts another."""

    code = "invalid_header"

    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"{header}: {reason}")
        self.header = header


class UnsupportedChecksumAlgorithm(ProtocolError):
    """Upload-Checksum names an algorithm that OPTIONS does not announce."""

    code = "unsupported_checksum_algorithm"


class InvalidBody(ProtocolError):
    """The body breaks the framing that its headers announced; the connection cannot go on."""

    code = "invalid_body"


class InvalidPart(ProtocolError):
    """A final upload names a part that it may not have."""

    code = "invalid_part"


class FinalUploadImmutable(ProtocolError):
    """A final upload gets its bytes from its parts alone."""

    code = "final_upload_immutable"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("A final upload takes no data: append to its partial uploads instead.")


class UploadNotFound(ProtocolError):
    """No upload has this id, or none that this client may see."""

    code = "upload_not_found"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is no such upload: create a new one.")


class MethodNotAllowed(ProtocolError):
    """This URL, or this configuration, does not offer the method."""

    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not possible here; these are: {', '.join(allowed)}.")
        self.allowed = allowed


class OffsetMismatch(ProtocolError):
    """The client would write elsewhere than the upload goes on; nothing was changed."""

    code = "offset_mismatch"
    status = HTTPStatus.CONFLICT

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload is at offset {offset}: resume there.")
        self.offset = offset


class PartUnfinished(ProtocolError):
    """A part still lacks bytes, and concatenation of unfinished parts is switched off."""

    code = "part_unfinished"
    status = HTTPStatus.CONFLICT


class UploadGone(ProtocolError):
    """The upload expired."""

    code = "upload_gone"
    status = HTTPStatus.GONE

    def __init__(self) -> None:
        super().__init__("The upload has expired: create a new one.")


class WasRejected(ProtocolError):
    """A hook or a check did not want the upload as it was; nothing is left of it."""

    code = "upload_rejected"
    status = HTTPStatus.GONE

    def __init__(self, reason: str) -> None:
        super().__init__(f"The upload was rejected: {reason}")


class UploadUnchecked(ProtocolError):
    """Every byte came; whether the upload may stay is not decided yet."""

    code = "upload_unchecked"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("The upload is still being checked: try again in a moment.")


class UploadMoved(ProtocolError):
    """The upload is finished, and its bytes were handed over to whoever wanted them."""

    code = "upload_moved"
    status = HTTPStatus.GONE

    def __init__(self) -> None:
        super().__init__("The file was handed over: it is not read here any longer.")


class ContentRefused(ProtocolError):
    """
    The server does not take such files: by their name, type, size or content.

    Attributes:
        status: What the client is answered.
        check: The name of the check that refused it, once that is known.
    """

    code = "content_refused"

    def __init__(self, message: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(message)
        self.status = status
        self.check = ""


class UnsupportedVersion(ProtocolError):
    """Tus-Resumable is missing or names a version this server does not speak."""

    code = "unsupported_version"
    status = HTTPStatus.PRECONDITION_FAILED


class UploadTooLarge(ProtocolError):
    """More bytes than the upload, or this server, has room for by its rules."""

    code = "upload_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(ProtocolError):
    """Upload data has to come as application/offset+octet-stream, and not compressed."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class PreconditionFailed(ProtocolError):
    """The client wants another content than the upload's, which never changes."""

    code = "precondition_failed"
    status = HTTPStatus.PRECONDITION_FAILED

    def __init__(self, header: str) -> None:
        super().__init__(f"{header} names another content: ask for this one without the header.")


class RangeNotSatisfiable(ProtocolError):
    """The range begins past the end of the upload."""

    code = "range_not_satisfiable"
    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

    def __init__(self, length: int) -> None:
        super().__init__(f"The upload has {length} bytes: ask for a range that begins before.")
        self.length = length


class ExpectationFailed(ProtocolError):
    """Expect asks for something that this server does not know (RFC 9110, section 10.1.1)."""

    code = "expectation_failed"
    status = HTTPStatus.EXPECTATION_FAILED


class UnsupportedTransferCoding(ProtocolError):
    """Only `chunked` is understood (RFC 9112, section 6.1)."""

    code = "unsupported_transfer_coding"
    status = HTTPStatus.NOT_IMPLEMENTED


class ChecksumMismatch(ProtocolError):
    """The chunk did not survive the journey; nothing of it was kept."""

    code = "checksum_mismatch"
    status = 460  # tus 1.0.0, Checksum; HTTP itself does not know this number.

    def __init__(self) -> None:
        super().__init__("The chunk's checksum does not match: send the chunk again.")
