"""
Requests as they are meant, and what they look like as bytes.

A draft names its upload by a word, and its offset by how far it is from the right one, so that the
same draft makes sense whatever ids the server gave out.
"""

import base64
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

#: What is uploaded: any bytes, line ends and whole requests among them.
PATTERN = random.Random(4).randbytes(1_000_000)
VICTIM = "victim"
_MOST_CHUNKS = 300


@dataclass(frozen=True)
class Coding:
    """
    How a body is framed.

    Attributes:
        chunks: Sizes of its chunks, again and again; empty for Content-Length.
        size: How a chunk's size is written, with its extensions.
        trailers: Lines after the last chunk.
        flaw: What is wrong with it, and at which chunk.
    """

    chunks: tuple[int, ...] = ()
    size: str = "{:x}"
    trailers: tuple[str, ...] = ()
    flaw: tuple[str, int] | None = None


@dataclass(frozen=True)
class Twist:
    """A way in which a request differs from a proper one; `twists.apply` tells what it does."""

    kind: str
    what: str = ""
    value: str = ""


@dataclass(frozen=True)
class Draft:
    """
    A request as it is meant.

    Attributes:
        verb: Its method.
        upload: The name of its upload; empty for the URL where uploads are created.
        size: How many bytes of data it brings; None for a request without a body.
        away: How far its offset is from the right one.
        coding: How the body is framed.
        fields: More header fields that it needs.
        extras: Header fields that it does not need.
        parts: The names of the uploads that a final one is made of.
        checksum: "right" or "wrong"; "right-trailer" comes after a body that is chunked.
        hides: Whether the data is a request, which nobody must ever read as one.
        twists: What is wrong with it.
    """

    verb: str
    upload: str = ""
    size: int | None = None
    away: int = 0
    coding: Coding = Coding()
    fields: tuple[tuple[str, str], ...] = ()
    extras: tuple[tuple[str, str], ...] = ()
    parts: tuple[str, ...] = ()
    checksum: str = ""
    hides: bool = False
    twists: tuple[Twist, ...] = ()


@dataclass
class Message:
    """A request that can still be changed: a line, lines, and what follows them."""

    method: str
    target: str
    version: str = "HTTP/1.1"
    lines: list[bytes] = field(default_factory=list)
    body: bytes = b""

    def add(self, name: str, value: str) -> None:
        self.lines.append(f"{name}: {value}".encode("latin-1"))

    def to_bytes(self) -> bytes:
        line = f"{self.method} {self.target} {self.version}".encode("latin-1")
        return b"\r\n".join((line, *self.lines, b"", self.body))


#: Turns the name of an upload into its path; tells at which offset it should be.
PathOf = Callable[[str], str]
OffsetOf = Callable[[str], int]


def compose(draft: Draft, number: int, path_of: PathOf, offset_of: OffsetOf) -> Message:
    """Return the request that *draft* means, without its twists; *number* becomes its name."""
    message = Message(draft.verb, path_of(draft.upload) if draft.upload else "/files/")
    message.add("Host", "fuzz")
    if "X-Request-ID" not in dict(draft.extras):
        message.add("X-Request-ID", f"r{number}")
    if draft.verb in ("POST", "HEAD", "PATCH", "DELETE"):
        message.add("Tus-Resumable", "1.0.0")
    if draft.parts:
        urls = " ".join(path_of(part) for part in draft.parts)
        message.add("Upload-Concat", f"final;{urls}")
    offset = max(0, offset_of(draft.upload) + draft.away)
    if draft.verb == "PATCH":
        message.add("Upload-Offset", str(offset))
    for name, value in draft.fields + draft.extras:
        message.add(name, value)
    if draft.size is not None:
        _add_body(message, draft, content_of(draft, offset, path_of))
    return message


def content_of(draft: Draft, offset: int, path_of: PathOf) -> bytes:
    """Return the data that *draft* brings."""
    if draft.hides:
        smuggled = f"DELETE {path_of(VICTIM)} HTTP/1.1\r\nHost: fuzz\r\nTus-Resumable: 1.0.0\r\n"
        return (smuggled + "X-Request-ID: smuggled\r\nX-Injected: yes\r\n\r\n").encode() * 2
    start = (offset + 7919 * len(draft.upload)) % (len(PATTERN) // 2)
    return PATTERN[start : start + (draft.size or 0)]


def _add_body(message: Message, draft: Draft, content: bytes) -> None:
    message.add("Content-Type", "application/offset+octet-stream")
    trailers = list(draft.coding.trailers)
    if draft.checksum:
        checksum = _checksum(content if draft.checksum.startswith("right") else content + b"!")
        if draft.checksum.endswith("trailer") and draft.coding.chunks:
            message.add("Trailer", "Upload-Checksum")
            trailers.append(f"Upload-Checksum: {checksum}")
        else:
            message.add("Upload-Checksum", checksum)
    if draft.coding.chunks:
        message.add("Transfer-Encoding", "chunked")
        message.body = encode(content, draft.coding, trailers)
    else:
        message.add("Content-Length", str(len(content)))
        message.body = content


def _checksum(content: bytes) -> str:
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return f"sha1 {base64.b64encode(digest).decode()}"


def encode(content: bytes, coding: Coding, trailers: list[str]) -> bytes:
    """Return *content* in chunks, with what is wrong with them."""
    pieces: list[bytes] = []
    position = number = 0
    while position < len(content):
        size = max(coding.chunks[number % len(coding.chunks)], len(content) // _MOST_CHUNKS)
        pieces.append(content[position : position + size])
        position += size
        number += 1
    pieces.append(b"")
    kind, where = coding.flaw or ("", -1)
    coded = [
        _chunk(piece, coding.size, kind if index == where % len(pieces) else "")
        for index, piece in enumerate(pieces)
    ]
    end = "".join(f"{line}\r\n" for line in trailers).encode("latin-1")
    return b"".join(coded) + end + (b"" if kind == "no end" else b"\r\n")


def _chunk(piece: bytes, size: str, flaw: str) -> bytes:
    told = len(piece) + {"too long": 1, "too short": -1}.get(flaw, 0)
    line = size.format(max(0, told)).encode("latin-1")
    match flaw:
        case "bare line feed":
            return line + b"\n" + piece + (b"\n" if piece else b"")
        case "no line end":
            return line + b"\r\n" + piece
        case "carriage return":
            return line + b"\r" + piece + b"\r"
        case "negative":
            line = b"-" + line
        case "prefixed":
            line = b"0x" + line
        case "blank":
            line = b" " + line
        case "huge":
            line = b"ffffffffffffffff"
        case "no size":
            line = b""
    return line + b"\r\n" + piece + (b"\r\n" if piece else b"")
