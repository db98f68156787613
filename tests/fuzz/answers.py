"""Reads what the server answered, strictly: every byte of it has to belong to an answer."""

import re
from dataclasses import dataclass

from tests.fuzz.framing import Fields, Sent

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) [\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\x20-\x7e]*)")
#: Fields that say something that cannot be said twice.
_ONCE = re.compile("content-.*|upload-.*|tus-.*|x-request-id|location|connection|date|server|etag")
#: What clients try to slip into an answer's head.
_INJECTED = "x-injected"


class Violation(AssertionError):
    """The server did what it must never do."""


@dataclass(frozen=True)
class Answer:
    """
    A final answer.

    Attributes:
        status: Its status.
        fields: Its header fields, in order, with names in lower case.
        body: What came of its body.
        whole: Whether all of it came.
        invited: Whether a 100 came before it.
        is_last: Whether the server says that it closes the connection after it.
    """

    status: int
    fields: Fields
    body: bytes
    whole: bool
    invited: bool
    is_last: bool

    def get(self, name: str) -> str | None:
        """Return the value of the field *name*."""
        return next((value for each, value in self.fields if each == name), None)

    @property
    def offset(self) -> int | None:
        value = self.get("upload-offset")
        return None if value is None else int(value)

    @property
    def code(self) -> str:
        """Return the name of the error that it tells; empty where it tells none."""
        found = re.search(rb'"code": "([a-z_]+)"|^[0-9]{3} ([a-z_]+):', self.body)
        return "" if found is None else (found[1] or found[2]).decode()


def read_answers(stream: bytes, requests: list[Sent]) -> list[Answer]:
    """
    Return the answers in *stream*, which *requests* were sent for.

    Raises:
        Violation: It is not a sequence of proper answers, at most one for each request.
    """
    found: list[Answer] = []
    position, invited = 0, False
    while position < len(stream):
        end = stream.find(b"\r\n\r\n", position)
        if end < 0:
            _check_head_to_come(stream[position:])
            break
        status, fields, last = _read_head(stream[position:end])
        if len(found) == len(requests):
            raise Violation(f"an answer that nobody asked for: {stream[position : end + 99]!r}")
        request = requests[len(found)]
        position = end + 4
        if status < 200:
            _check_invitation(status, fields, request, again=invited)
            invited = True
            continue
        size = _body_size(status, fields, request, len(stream) - position, last=last)
        body = stream[position : position + size]
        found.append(Answer(status, fields, body, len(body) == size, invited, last))
        position, invited = position + size, False
    return found


def _check_head_to_come(begun: bytes) -> None:
    if not b"HTTP/1.1 ".startswith(begun[:9]) and not b"HTTP/1.0 ".startswith(begun[:9]):
        raise Violation(f"bytes between two answers: {begun[:200]!r}")


def _read_head(head: bytes) -> tuple[int, Fields, bool]:
    """Return the status, the fields, and whether the connection is to end after them."""
    line, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Violation(f"no status line: {line[:200]!r}")
    fields = []
    for each in lines:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise Violation(f"no field line: {each[:200]!r}")
        fields.append((field[1].decode().lower(), field[2].decode()))
    names = [name for name, _ in fields]
    repeated = {name for name in names if names.count(name) > 1 and _ONCE.fullmatch(name)}
    if repeated or _INJECTED in names:
        raise Violation(f"fields that are repeated or a client's own: {head!r}")
    option = dict(fields).get("connection", "").lower()
    return int(match[2]), tuple(fields), option == "close" or (match[1] == b"0" and not option)


def _check_invitation(status: int, fields: Fields, request: Sent, *, again: bool) -> None:
    expects = (request.get("expect") or "").lower() == "100-continue"
    if status != 100 or fields or again or not expects or request.version != "1.1":
        raise Violation(f"an interim answer that was not asked for: {status}")


def _body_size(status: int, fields: Fields, request: Sent, there: int, *, last: bool) -> int:
    """Return how many bytes follow the head of an answer (RFC 9112, section 6.3)."""
    named = dict(fields)
    length = named.get("content-length")
    if "transfer-encoding" in named:
        # aiohttp says so of the empty body of a 416, and of nothing else here.
        if status != 416 or length is not None or named["transfer-encoding"] != "chunked":
            raise Violation("a transfer coding where every length is known")
        return len(b"0\r\n\r\n")
    if status == 204 and length is not None:
        raise Violation("a 204 with Content-Length")
    if status in (204, 304):
        return 0
    if length is None and request.method == "HEAD":
        return 0
    if length is None and status == 416 and last:
        return 0  # the same, in HTTP/1.0
    if length is None or not length.isdecimal():
        raise Violation(f"no Content-Length that could be read: {length!r}")
    if request.method != "HEAD":
        return int(length)
    # A HEAD that could not be read is refused like anything else, with a body: the server did not
    # get as far as the method. It is the last answer, so nobody takes the body for another one.
    unsure = request.doubtful or request.standing == "unreadable"
    unread = last and unsure and "x-request-id" not in named
    return min(int(length), there) if unread and there else 0
