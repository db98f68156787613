"""
Decides, given the upload as it stands, what a request may do; each MUST beside the line that
keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tusd_py.errors import (
    FinalUploadImmutable,
    InvalidHeader,
    InvalidPart,
    OffsetMismatch,
    PartUnfinished,
    UploadGone,
    UploadTooLarge,
    WasRejected,
)
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import UPLOAD_LENGTH
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import MAX_LENGTH, Upload, UploadState


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    Bytes that may be written.

    Attributes:
        offset: Where the first of them goes.
        limit: The offset that none of them may pass.
        length: The upload's length from now on; None while it stays deferred.
        payload: What the request says about the bytes.
    """

    offset: int
    limit: int
    length: int | None
    payload: Payload


def decide_create(request: Create, policy: Policy) -> None:
    """
    Refuse an upload that could never fit.

    Raises:
        UploadTooLarge: "If the length of the upload exceeds the maximum ... the Server MUST
            respond with the 413 Request Entity Too Large status."
    """
    check_size(request.length, policy)
    if request.payload is not None and request.payload.length is not None:
        check_room(request.payload.length, request.length, policy)


def decide_final(parts: Sequence[Upload | None], owner: str, policy: Policy) -> int | None:
    """
    Return the length of the final upload made of *parts*, or None while it cannot be known.

    "The length of the final upload MUST be the sum of the length of all partial uploads."

    Args:
        parts: Each part that the creation names, in order; None where there is no such upload.
        owner: Who asks.
        policy: What the server offers.

    Raises:
        InvalidPart: One is not there, another owner's, not partial, or named twice.
        PartUnfinished: One lacks bytes, and concatenation-unfinished is not offered.
        UploadTooLarge: Together they exceed the maximum.
    """
    known = [_check_part(part, owner, position) for position, part in enumerate(parts, start=1)]
    if len({part.id for part in known}) < len(known) and not policy.repeated_parts:
        raise InvalidPart("Upload-Concat: each partial upload may be named once only.")
    if not policy.offers(Extension.CONCATENATION_UNFINISHED):
        for position, part in enumerate(known, start=1):
            if not part.is_finished:
                raise PartUnfinished(f"Upload-Concat: part {position} is not finished yet.")
    length = total_length(known)
    check_size(length, policy)
    return length


def total_length(parts: Sequence[Upload]) -> int | None:
    """Return the length of all *parts* together; None while one of them has none."""
    total = 0
    for part in parts:
        if part.length is None:
            return None
        total += part.length
    return total


def decide_append(request: Append, upload: Upload, policy: Policy) -> Chunk:
    """
    Say where the bytes of a PATCH go, and where they have to end.

    Raises:
        FinalUploadImmutable: "The Server MUST respond with the 403 Forbidden status to PATCH
            requests against a final upload URL."
        OffsetMismatch: "If the offsets do not match, the Server MUST respond with the 409
            Conflict status without modifying the upload resource."
        InvalidHeader: Upload-Length contradicts what is known.
        UploadTooLarge: The body would go past the upload's end or the maximum.
    """
    if upload.is_final:
        raise FinalUploadImmutable
    if request.offset != upload.offset:
        raise OffsetMismatch(upload.offset)
    length = _declared_length(request, upload, policy)
    announced = request.payload.length
    limit = _limit(length, policy)
    if announced is not None and announced > limit - request.offset:
        raise UploadTooLarge(_past_the_end(length, limit))
    return Chunk(request.offset, limit, length, request.payload)


def first_chunk(upload: Upload, payload: Payload, policy: Policy) -> Chunk:
    """Say where the bytes that came with the creation go; `decide_create` has let them in."""
    return Chunk(0, _limit(upload.length, policy), upload.length, payload)


def check_living(upload: Upload, now: float) -> None:
    """
    Refuse an upload whose time is over.

    "The Server SHOULD respond with the 404 Not Found or 410 Gone status. The latter one SHOULD
    be used if the Server is keeping track of expired uploads" (Expiration).

    Raises:
        WasRejected: It was rejected.
        UploadGone: It has expired.
    """
    if upload.state is UploadState.REJECTED:
        raise WasRejected(upload.rejection or "it is not wanted.")
    if upload.has_expired(now):
        raise UploadGone


def check_size(length: int | None, policy: Policy) -> None:
    """Raise `UploadTooLarge` where *length* exceeds the maximum, or what an offset can count."""
    if length is not None and length > _limit(None, policy):
        raise UploadTooLarge(f"An upload may have {_limit(None, policy)} bytes at most.")


def check_room(announced: int, length: int | None, policy: Policy) -> None:
    """Raise `UploadTooLarge` where a first chunk of *announced* bytes is too much."""
    limit = _limit(length, policy)
    if announced > limit:
        raise UploadTooLarge(_past_the_end(length, limit))


def past_the_end(chunk: Chunk) -> UploadTooLarge:
    """Return the refusal of a body that went on past *chunk*'s limit."""
    return UploadTooLarge(_past_the_end(chunk.length, chunk.limit))


def _check_part(part: Upload | None, owner: str, position: int) -> Upload:
    # A stranger's part is answered like one that is not there: whether it exists is not theirs
    # to know.
    if part is None or part.owner != owner:
        raise InvalidPart(f"Upload-Concat: part {position} does not exist.")
    if not part.is_partial:
        raise InvalidPart(f"Upload-Concat: part {position} is not a partial upload.")
    return part


def _declared_length(request: Append, upload: Upload, policy: Policy) -> int | None:
    """
    Return the upload's length with what the PATCH says about it.

    "The Client MUST set the Upload-Length header in the next PATCH request, once the length is
    known. Once set the length MUST NOT be changed."
    """
    if request.length is None:
        return upload.length
    if upload.length is not None:
        if request.length != upload.length:
            raise InvalidHeader(UPLOAD_LENGTH, "the length is set and cannot be changed.")
        return upload.length
    if request.length < upload.offset:
        raise InvalidHeader(UPLOAD_LENGTH, f"{upload.offset} bytes are here already.")
    check_size(request.length, policy)
    return request.length


def _limit(length: int | None, policy: Policy) -> int:
    if length is not None:
        return length
    return MAX_LENGTH if policy.max_size is None else policy.max_size


def _past_the_end(length: int | None, limit: int) -> str:
    what = "The upload ends at byte" if length is not None else "An upload may have at most byte"
    return f"{what} {limit}; what goes past it is not kept."
