"""
Reads what a client sent the way RFC 9112 says that it has to be read.

Written apart from the server and from the parser below it: were both wrong in the same way, no
comparison would show it. Where the standard lets a server choose, a request is `doubtful`.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

Fields = tuple[tuple[str, str], ...]
Standing = Literal["whole", "cut", "broken", "unreadable"]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# The parser knows RTSP and ICE, too, which are framed alike; to refuse them is a SHOULD.
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e\x80-\xff]+) (HTTP|RTSP|ICE)/([0-9]\.[0-9])" % _TOKEN)
_FIELD = re.compile(rb"(%b):[ \t]*([^\x00\r\n]*)" % _TOKEN)
_CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
_STRICT_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:%b)*" % _EXTENSION)
_LOOSE_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\x00\r\n]*)?")
#: The methods that any parser knows; of others it may say that they are none.
_METHODS = {"OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
#: Blanks after it are allowed; the parser below takes some of them for another coding.
_PADDED_CODING = re.compile(rb"(?i:transfer-encoding):.*[ \t]")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
#: What everybody takes; beyond it a server may refuse for its length alone.
_LINE, _FIELD_SIZE, _FIELDS, _CHUNK_LINE = 8000, 16_000, 120, 1000
_LARGEST = 2**63 - 1


class Broken(Exception):
    """A rule is broken: where this message ends, nobody can tell."""


@dataclass(frozen=True)
class Sent:
    """
    A request, as the bytes that were sent mean it.

    Attributes:
        start: Where in the stream it begins.
        end: Where it ends; for what is not whole, the end of the stream.
        standing: Whether all of it is there, its end did not come, its body breaks a rule, or its
            head does, so that nobody can tell whether there is a body.
        method: As it was sent; empty where the head cannot be read, or did not come.
        target: As it was sent.
        version: Such as 1.1.
        fields: The header fields, in order, with names in lower case.
        body: What was in it, decoded, as far as it came in order.
        trailers: The fields after the body.
        doubtful: The server may serve it or refuse it as malformed.
        reason: What is broken.
    """

    start: int
    end: int
    standing: Standing = "cut"
    method: str = ""
    target: str = ""
    version: str = ""
    fields: Fields = ()
    body: bytes = b""
    trailers: Fields = ()
    doubtful: bool = False
    reason: str = ""

    def all(self, name: str) -> list[str]:
        """Return every value of the field *name*, in order."""
        return [value for each, value in self.fields if each == name]

    def get(self, name: str) -> str | None:
        """Return the first value of the field *name*."""
        return next(iter(self.all(name)), None)

    @property
    def is_last(self) -> bool:
        """Tell whether the client wants nothing after it to be served."""
        options = {
            each.strip(" \t").lower() for each in ",".join(self.all("connection")).split(",")
        }
        if "keep-alive" in options:
            return False  # who says both may be taken at either word
        return "close" in options or self.version == "1.0"


def read_requests(stream: bytes) -> list[Sent]:
    """Return the requests in *stream*; what follows one that is not whole belongs to nobody."""
    found: list[Sent] = []
    position = 0
    while not found or found[-1].standing == "whole":
        # "SHOULD ignore at least one empty line" (RFC 9112, section 2.2), which "MAY" end in a
        # line feed alone.
        start = _past_empty_lines(stream, position)
        if start == len(stream):
            break
        request = _read_request(stream, start)
        strict = stream[position:start] == b"\r\n" * ((start - position) // 2)
        found.append(request if strict else replace(request, doubtful=True))
        position = found[-1].end
    return found


def _past_empty_lines(stream: bytes, position: int) -> int:
    while stream[position : position + 1] in (b"\r", b"\n"):
        position += 1
    return position


def _read_request(stream: bytes, start: int) -> Sent:
    unread = Sent(start, len(stream), doubtful=True)
    end = stream.find(b"\r\n\r\n", start)
    if end < 0:
        return unread
    head = unread
    try:
        head = _read_head(unread, stream[start:end])
        chunked = _is_chunked(head)
        length = 0 if chunked else _content_length(head)
    except Broken as broken:
        return replace(head, standing="unreadable", reason=str(broken))
    if chunked:
        return _Chunks(stream, end + 4).read(head)
    body = stream[end + 4 : end + 4 + length]
    if len(body) < length:
        return replace(head, body=body, doubtful=head.doubtful or length > _LARGEST)
    return replace(head, body=body, standing="whole", end=end + 4 + length)


def _read_head(unread: Sent, head: bytes) -> Sent:
    line, *lines = head.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Broken("request line")
    method, target, version = match[1].decode(), match[2].decode("latin-1"), match[4].decode()
    if version not in ("1.0", "1.1"):
        raise Broken("version")
    fields = tuple(_read_field(each) for each in lines)
    hosts = [value for name, value in fields if name == "host"]
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise Broken("host")
    doubtful = (
        match[3] != b"HTTP"
        or len(line) > _LINE
        or len(fields) > _FIELDS
        or any(len(each) > _FIELD_SIZE or _CONTROLS.search(each) for each in lines)
        or any(not _HOST.fullmatch(host) for host in hosts)
        or any(_PADDED_CODING.fullmatch(each) for each in lines)
        or sum(name == "content-type" for name, _ in fields) > 1
        or any(name == "content-encoding" for name, _ in fields)  # aiohttp cannot undo all
        or method not in _METHODS
        or not _PATH.fullmatch(target)
    )
    return replace(
        unread, method=method, target=target, version=version, fields=fields, doubtful=doubtful
    )


def _read_field(line: bytes) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise Broken("field line")
    return match[1].decode().lower(), match[2].decode("latin-1").rstrip(" \t")


def _is_chunked(head: Sent) -> bool:
    codings = head.all("transfer-encoding")
    if not codings:
        return False
    if head.version == "1.0" or head.all("content-length"):
        raise Broken("transfer coding beside a length, or in HTTP/1.0")
    if len(codings) > 1 or codings[0].lower() != "chunked":
        raise Broken("transfer coding")
    return True


def _content_length(head: Sent) -> int:
    lengths = head.all("content-length")
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
        raise Broken("content length")
    return int(lengths[0])


class _Chunks:
    """Reads a chunked body (RFC 9112, section 7.1)."""

    def __init__(self, stream: bytes, position: int) -> None:
        self._stream = stream
        self._position = position
        self._pieces: list[bytes] = []
        self._trailers: list[tuple[str, str]] = []
        self._doubtful = False

    def read(self, head: Sent) -> Sent:
        """Return *head* with the body that begins here."""
        try:
            if self._read():
                head = replace(head, standing="whole", end=self._position)
        except Broken as broken:
            head = replace(head, standing="broken", reason=str(broken))
        return replace(
            head,
            body=b"".join(self._pieces),
            trailers=tuple(self._trailers),
            doubtful=head.doubtful or self._doubtful,
        )

    def _read(self) -> bool:
        """Read on to the end; return whether it came."""
        while (line := self._line()) is not None:
            size = self._size(line)
            if size == 0:
                return self._read_trailers()
            piece = self._stream[self._position : self._position + size]
            self._pieces.append(piece)
            self._position += len(piece)
            if len(piece) < size:
                return False
            # A server may wait for a whole line before it says that there should be none.
            after = self._line()
            if after is None:
                return False
            if after:
                raise Broken("chunk end")
        return False

    def _read_trailers(self) -> bool:
        size = 0
        while (line := self._line()) is not None:
            if not line:
                return True
            self._trailers.append(_read_field(line))
            size += len(line)
            self._doubtful |= size > _LINE
        return False

    def _size(self, line: bytes) -> int:
        match = _STRICT_SIZE.fullmatch(line)
        if match is None:
            self._doubtful = True
            match = _LOOSE_SIZE.fullmatch(line)
        if match is None or int(match[1], 16) > _LARGEST:
            raise Broken("chunk size")
        return int(match[1], 16)

    def _line(self) -> bytes | None:
        """Return the next line; None where its end did not come."""
        end = self._stream.find(b"\n", self._position)
        if end < 0:
            return None
        line = self._stream[self._position : end]
        if not line.endswith(b"\r") or b"\r" in line[:-1] or b"\0" in line:
            raise Broken("line end")
        self._position = end + 1
        self._doubtful |= len(line) > _CHUNK_LINE or bool(_CONTROLS.search(line))
        return line[:-1]
