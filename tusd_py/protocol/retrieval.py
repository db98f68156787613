"""
Decides what a GET gets: everything, a range, or the news that there is nothing new.

This is plain HTTP (RFC 9110, sections 13 and 14), of which tus says nothing.
"""

import re
from dataclasses import dataclass
from email.utils import formatdate, mktime_tz, parsedate_tz
from typing import Final, Literal

from tusd_py.errors import PreconditionFailed, RangeNotSatisfiable
from tusd_py.protocol.headers import Headers
from tusd_py.protocol.upload import Upload

_ENTITY_TAG: Final = re.compile(r'(W/)?("[^"]*")')
_ONE_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,100})-([0-9]{0,100})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Validators:
    """
    What tells one content from another.

    Attributes:
        etag: A strong entity tag, with its quotes.
        modified: When the content came to be, in whole seconds; None where nobody knows.
    """

    etag: str
    modified: int | None

    def headers(self) -> dict[str, str]:
        """Return them as the client may send them back."""
        if self.modified is None:
            return {"ETag": self.etag}
        return {"ETag": self.etag, "Last-Modified": formatdate(self.modified, usegmt=True)}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What to answer: a status, and the bytes from *start* to before *end* unless it is 304."""

    status: Literal[200, 206, 304]
    start: int
    end: int


def validators_of(upload: Upload) -> Validators:
    """
    Return what tells the content of a finished upload from any other.

    It never changes again, and its id is never given to another one. So id and length say it
    all: in every worker, after a restart, and after a backup was put back, which gives the file
    another inode and another time.
    """
    modified = None if upload.finished_at is None else int(upload.finished_at)
    return Validators(f'"{upload.id}-{upload.offset:x}"', modified)


def decide_retrieval(method: str, headers: Headers, upload: Upload) -> Retrieval:
    """
    Return what a GET or HEAD for a finished upload gets, in the order of RFC 9110, 13.2.2.

    Several ranges at once are answered with everything, as a server may (14.2): to read an
    upload in pieces clients ask for one range each time.

    Raises:
        PreconditionFailed: If-Match or If-Unmodified-Since wants another content.
        RangeNotSatisfiable: The range begins past the end.
    """
    validators = validators_of(upload)
    _check_preconditions(headers, validators)
    if _has_already(headers, validators):
        return Retrieval(304, 0, 0)
    length = upload.offset
    # "A server MUST ignore a Range header field received with a request method ... for which
    # range handling is not defined. For this specification, GET is the only method" (14.2).
    asked = _range_in(headers) if method == "GET" and _means_this(headers, validators) else None
    if asked is None or length == 0:
        return Retrieval(200, 0, length)
    start, end = asked
    if start is None:
        start, end = max(0, length - (end or 0)), length
    if start >= length:
        raise RangeNotSatisfiable(length)
    return Retrieval(206, start, length if end is None else min(end, length))


def _check_preconditions(headers: Headers, validators: Validators) -> None:
    if (tags := _joined(headers, "If-Match")) is not None:
        if tags.strip() != "*" and validators.etag not in _tags(tags, strong=True):
            raise PreconditionFailed("If-Match")
        return
    since = _time(headers, "If-Unmodified-Since")
    if since is not None and validators.modified is not None and validators.modified > since:
        raise PreconditionFailed("If-Unmodified-Since")


def _has_already(headers: Headers, validators: Validators) -> bool:
    """Tell whether the client says that it has this content."""
    if (tags := _joined(headers, "If-None-Match")) is not None:
        return tags.strip() == "*" or validators.etag in _tags(tags, strong=False)
    since = _time(headers, "If-Modified-Since")
    return since is not None and validators.modified is not None and validators.modified <= since


def _means_this(headers: Headers, validators: Validators) -> bool:
    """Tell whether If-Range lets the range count: the rest would belong to what the client has."""
    given = _joined(headers, "If-Range")
    if given is None:
        return True
    if '"' in given:
        return given.strip() == validators.etag  # a weak one never matches (13.1.5)
    since = _time(headers, "If-Range")
    return since is not None and since == validators.modified


def _range_in(headers: Headers) -> tuple[int | None, int | None] | None:
    """
    Return start and end of the one range asked for, or None where there is none to heed.

    Without a start the end is how many of the last bytes are wanted. What is malformed, or of
    another unit, is passed over, as RFC 9110 has it (14.2).
    """
    values = headers.getall("Range", [])
    match = _ONE_RANGE.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match.groups()
    if not first:
        # "-0" is no byte at all, which begins at the end.
        return None, int(last)
    if last and int(last) < int(first):
        return None
    return int(first), int(last) + 1 if last else None


def _joined(headers: Headers, name: str) -> str | None:
    values = headers.getall(name, [])
    return ",".join(values) if values else None


def _tags(text: str, *, strong: bool) -> set[str]:
    found = _ENTITY_TAG.findall(text)
    return {tag for weak, tag in found if not (strong and weak)}


def _time(headers: Headers, name: str) -> int | None:
    """Return an HTTP-date in seconds since the epoch; None where there is none, or no valid one."""
    parsed = parsedate_tz(_joined(headers, name) or "")
    if parsed is None:
        return None
    try:
        return int(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None
