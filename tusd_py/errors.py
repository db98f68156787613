"""
All that can go wrong, drawn as one tree.

Every error has a stable `code` (for logs, metrics, tests and clients) and a message that is safe to
show to a stranger: never a path, a statement or a traceback. What is not a `TusError` is a bug.

`ProtocolError` carries the status that tus or HTTP names for the broken rule. The others know no
HTTP; `web.error_responses` maps them in one table.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar


class TusError(Exception):
    """
    Something went wrong that this project expects and can explain.

    Attributes:
        code: A stable name.
        message: What happened and what to do next, safe to show.
        expires_at: When the upload that it is about expires, where that is known: tus wants it
            in every answer to PATCH.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.expires_at: float | None = None


# --- The client broke a rule, or named something that is not there ---


class ProtocolError(TusError):
    """A rule of tus or HTTP forbids this request as it stands."""

    status: ClassVar[int] = HTTPStatus.BAD_REQUEST


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


class TooManyUploads(ProtocolError):
    """The client has as many unfinished uploads as it may have; nothing was created."""

    code = "too_many_uploads"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This address has {limit} unfinished uploads, as many as it may have"
            " (max_open_uploads_per_address): finish or delete one first."
        )
        self.limit = limit


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


class LinkRefused(ProtocolError):
    """A download needs a signed link, and this is none."""

    code = "link_refused"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This needs a signed link, whole and unchanged: ask for one.")


class LinkExpired(ProtocolError):
    """
    The link was right once.

    Not 410, which says that an upload has expired: this one is still there for a new link.
    """

    code = "link_expired"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This link has expired: ask for a new one.")


class NotPermitted(ProtocolError):
    """
    Whoever asks may not do this, or does not say who they are.

    Attributes:
        challenge: What WWW-Authenticate says of it; None for nothing.
    """

    def __init__(self, message: str, challenge: str | None = None) -> None:
        super().__init__(message)
        self.challenge = challenge


class Unauthenticated(NotPermitted):
    """Nobody can tell whose request this is."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class AccessRefused(NotPermitted):
    """The service that is asked who may do what said no."""

    code = "access_refused"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__("You may not do this here.", challenge)


class ScopeMissing(NotPermitted):
    """It is known whose request this is, and they may not do this."""

    code = "scope_missing"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, scopes: tuple[str, ...]) -> None:
        *others, last = scopes
        names = f"{', '.join(others)} or {last}" if others else last
        super().__init__(
            f"This needs the scope {names}: ask for a token that has it.",
            f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"',
        )
        self.scopes = scopes


class ForeignUpload(NotPermitted):
    """The upload is there, and somebody else's; told only where `foreign_uploads` says so."""

    code = "foreign_upload"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This upload is somebody else's: create one of your own.")


class ForeignOrigin(ProtocolError):
    """A page of another origin, which may not upload here, wants to watch."""

    code = "foreign_origin"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Pages of this origin may not watch: cors_origins names those that may.")


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


# --- The transfer ended before its time; what arrived is kept ---


class TransferEnded(TusError):
    """The body stopped early. Unless a checksum forbids it, what arrived in order is committed."""


class Disconnected(TransferEnded):
    """The client's connection is gone; nobody is left to be answered."""

    code = "disconnected"

    def __init__(self) -> None:
        super().__init__("The connection was lost: ask for the offset with HEAD and resume there.")


class IdleTimeout(TransferEnded):
    """The client stayed silent for too long."""

    code = "idle_timeout"

    def __init__(self) -> None:
        super().__init__("No data arrived for too long: ask for the offset and resume there.")


class TooSlow(TransferEnded):
    """The client sent fewer bytes than it has to, over a whole window of waiting for it."""

    code = "too_slow"

    def __init__(self) -> None:
        super().__init__("Data arrived too slowly: ask for the offset and resume there.")


class Displaced(TransferEnded):
    """A newer request for the same upload was let in instead."""

    code = "displaced"

    def __init__(self) -> None:
        super().__init__("A newer request took this upload over: ask for the offset with HEAD.")


class ServerStopping(TransferEnded):
    """The server shuts down."""

    code = "server_stopping"

    def __init__(self) -> None:
        super().__init__("The server is shutting down: try again in a moment.")


class LockTimeout(TusError):
    """Another request holds the upload and did not let go in time."""

    code = "lock_timeout"

    def __init__(self) -> None:
        super().__init__("The upload is busy with another request: try again in a moment.")


# --- The server's own parts failed; committed offsets stay true ---


class StorageError(TusError):
    """The data store could not read or write; the offset counts nothing that was not flushed."""

    code = "storage_error"


class StorageFull(StorageError):
    """There is no room for these bytes."""

    code = "storage_full"


class StateError(TusError):
    """The state store could not read or commit; nothing was changed."""

    code = "state_error"


class AuthUnavailable(TusError):
    """
    Who may do what cannot be found out at the moment; nothing was read or changed.

    Attributes:
        reason: What failed, for the log alone.
        retry_after: Seconds after which it is worth asking again.
    """

    code = "auth_unavailable"

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        super().__init__("Who may do this cannot be checked at the moment: try again soon.")
        self.reason = reason
        self.retry_after = retry_after


class HookUnavailable(TusError):
    """
    A hook could not be told or asked, or its answer cannot be used.

    Attributes:
        reason: What failed, for operators alone.
        retry_after: Seconds after which it wants to be told again; None where it did not say.
    """

    code = "hook_unavailable"

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__("This cannot be allowed or refused at the moment: try again soon.")
        self.reason = reason
        self.retry_after = retry_after


class RefusedByHook(TusError):
    """
    A hook does not want this to happen; what it had a say in was not done.

    Attributes:
        status: What the client is answered.
        body: The body of that; empty for an explanation of ours.
        headers: More headers.
    """

    code = "refused_by_hook"

    def __init__(
        self,
        message: str,
        status: int = HTTPStatus.BAD_REQUEST,
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.headers = headers or {}


class UnguardedServer(TusError):
    """Somebody else's server carries the routes, and does not keep trailers apart from headers."""

    code = "unguarded_server"

    def __init__(self) -> None:
        super().__init__("The server is not set up safely: its log says what to do.")


class StateFull(StateError):
    """The state store has no room for a commit; nothing was changed."""

    code = "state_full"


class DataDirectoryError(TusError):
    """The data directory cannot be used as it is; the message says why and what to do."""

    code = "data_directory_error"
