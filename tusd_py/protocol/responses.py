"""Describes an outcome as status and headers."""

from dataclasses import dataclass, field

from tusd_py.protocol import headers as names
from tusd_py.protocol.expiration import format_expires
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class Reply:
    """A response without a body; Tus-Resumable is added to every one of them."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


def describe_server(policy: Policy) -> Reply:
    """
    Answer OPTIONS.

    "MUST contain the Tus-Version header"; Tus-Extension "MUST be omitted" where there is none;
    Tus-Checksum-Algorithm "MUST be included" where checksums are offered.
    """
    headers = {names.TUS_VERSION: names.VERSION}
    if policy.extensions:
        headers[names.TUS_EXTENSION] = ",".join(policy.extensions)
    if policy.max_size is not None:
        headers[names.TUS_MAX_SIZE] = str(policy.max_size)
    if policy.offers(Extension.CHECKSUM):
        headers[names.TUS_CHECKSUM_ALGORITHM] = ",".join(policy.algorithms)
    return Reply(204, headers)


def describe_creation(upload: Upload, location: str, *, with_payload: bool) -> Reply:
    """
    Answer POST.

    "The Server MUST acknowledge a successful upload creation with the 201 Created status. The
    Server MUST set the Location header"; with data, it "MUST include the Upload-Offset header".
    """
    headers = {"Location": location} | _expires(upload)
    if with_payload:
        headers[names.UPLOAD_OFFSET] = str(upload.offset)
    return Reply(201, headers)


def describe_upload(upload: Upload) -> Reply:
    """
    Answer HEAD.

    The offset is "always" there (Core), except that a final upload whose parts are not joined
    yet "SHOULD NOT" show one (Concatenation). What the client said at creation is returned as it
    said it. "MUST prevent ... caching the response by adding the Cache-Control: no-store".
    """
    headers = {"Cache-Control": "no-store"} | _expires(upload)
    if not upload.is_final or upload.is_complete:
        headers[names.UPLOAD_OFFSET] = str(upload.offset)
    if upload.length is not None:
        headers[names.UPLOAD_LENGTH] = str(upload.length)
    elif not upload.is_final:
        # "As long as the length of the upload is not known, the Server MUST set
        # Upload-Defer-Length: 1 in all responses to HEAD requests."
        headers[names.UPLOAD_DEFER_LENGTH] = "1"
    if upload.metadata is not None:
        headers[names.UPLOAD_METADATA] = upload.metadata
    if upload.concat is not None:
        headers[names.UPLOAD_CONCAT] = upload.concat
    return Reply(200, headers)


def describe_append(upload: Upload) -> Reply:
    """
    Answer PATCH.

    "The Server MUST acknowledge successful PATCH requests with the 204 No Content status. It
    MUST include the Upload-Offset header containing the new offset." Upload-Expires "MUST be
    included in every PATCH response if the upload is going to expire".
    """
    return Reply(204, {names.UPLOAD_OFFSET: str(upload.offset)} | _expires(upload))


def describe_termination() -> Reply:
    """Answer DELETE: the Server "MUST respond with the 204 No Content status"."""
    return Reply(204)


def _expires(upload: Upload) -> dict[str, str]:
    if upload.expires_at is None:
        return {}
    return {names.UPLOAD_EXPIRES: format_expires(upload.expires_at)}
