"""Says what a proper request has to be answered with, whatever was sent before it."""

import base64
import hashlib
import re
from collections.abc import Iterator

from tests.fuzz.framing import Sent
from tests.fuzz.ledger import Entry, Ledger

#: Whether it holds, and the statuses for it; None where those cannot be told.
_Objection = tuple[bool, set[int] | None]

MAX_SIZE = 4 * 2**20
_OCTETS = "application/offset+octet-stream"
#: Fields that a proper request may have, and what they may say.
_PROPER = {
    "host": "fuzz",
    "tus-resumable": r"1\.0\.0",
    "x-request-id": "[A-Za-z0-9._-]{1,64}",
    "content-type": re.escape(_OCTETS),
    "content-length": "[0-9]{1,9}",
    "transfer-encoding": "chunked",
    "upload-offset": "0|[1-9][0-9]{0,9}",
    "upload-length": "0|[1-9][0-9]{0,9}",
    "upload-checksum": "sha1 [A-Za-z0-9+/]{27}=",
    "upload-metadata": "filename [A-Za-z0-9+/]{4}",
}
_METHODS = {"OPTIONS", "HEAD", "GET", "POST", "PATCH", "DELETE"}
_PATH = re.compile("/files/([0-9a-f]{32})?")


def is_plain(request: Sent) -> bool:
    """Tell whether nothing about *request* is unusual, so that its answer can be foretold."""
    names = [name for name, _ in request.fields]
    return (
        request.standing == "whole"
        and not request.doubtful
        and not request.trailers
        and request.version == "1.1"
        and request.method in _METHODS
        and _PATH.fullmatch(request.target) is not None
        and len(set(names)) == len(names)
        and all(re.fullmatch(_PROPER.get(name, "$."), value) for name, value in request.fields)
    )


def demanded(request: Sent, ledger: Ledger) -> set[int] | None:
    """Return the statuses that a plain request may get; None where that cannot be told."""
    return next(statuses for holds, statuses in _objections(request, ledger) if holds)


def _objections(request: Sent, ledger: Ledger) -> Iterator[_Objection]:
    """Yield what a server may object to, in its order, and with which status; none comes last."""
    yield request.method == "OPTIONS", {204}
    if request.method != "GET" and request.get("tus-resumable") is None:
        yield request.method == "HEAD", None  # a setting decides
        yield True, {412}
    upload_id = request.target.removeprefix("/files/")
    if not upload_id:
        yield from _to_creation(request)
    yield request.method == "POST", {405}
    entry = ledger.find(upload_id)
    if entry is None:
        yield request.method == "PATCH", {400, 404, 415}
        yield True, {404}
    else:
        yield entry.unpredictable or entry.standing == "perhaps", None
        if request.method == "PATCH":
            yield request.get("content-type") is None, {415}
            yield request.get("upload-offset") is None, {400}
        yield entry.standing == "terminated", {404}
        yield entry.standing == "expired", {410}
        yield request.method == "HEAD", {200}
        yield request.method == "DELETE", {204}
        yield from _to_append(request, entry) if request.method == "PATCH" else _to_download(entry)


def _to_creation(request: Sent) -> Iterator[_Objection]:
    yield request.method != "POST", {405}
    length, typed = request.get("upload-length"), request.get("content-type") is not None
    yield length is None, {400}
    yield not typed and bool(request.body or request.all("transfer-encoding")), {415}
    yield typed and not _checksum_is_right(request), {413, 460}
    room = int(length or 0)
    yield room > MAX_SIZE or (typed and len(request.body) > room), {413}
    yield True, {201}


def _to_append(request: Sent, entry: Entry) -> Iterator[_Objection]:
    yield entry.kind == "final", {403}
    content = entry.content
    yield content is None or request.get("upload-length") is not None, None
    offset = len(content or b"")
    yield request.get("upload-offset") != str(offset), {409}
    room = (MAX_SIZE if entry.length is None else entry.length) - offset
    yield len(request.body) > room, {413}
    yield not _checksum_is_right(request), {460}
    yield True, {204}


def _to_download(entry: Entry) -> Iterator[_Objection]:
    # Joining may go on after the creation of a final upload is answered.
    yield entry.kind == "final" or entry.content is None, None
    yield not entry.is_finished or entry.kind == "partial", {404}
    yield True, {200}


def _checksum_is_right(request: Sent) -> bool:
    told = request.get("upload-checksum")
    digest = hashlib.sha1(request.body, usedforsecurity=False).digest()
    return told is None or told == f"sha1 {base64.b64encode(digest).decode()}"
