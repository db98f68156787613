"""Speaks HTTP/1.1 on one connection, byte by byte, and never waits without an end."""

import select
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

#: Seconds to wait for a connection, and for an answer or for room to send.
CONNECT: Final = 5.0
ANSWER: Final = 10.0
#: Bytes of an answer that are read: what is asked for has none, and an error's page is not shown.
_MOST_HEAD: Final = 64 * 1024
_MOST_BODY: Final = 64 * 1024
_BLOCK: Final = 64 * 1024


class Unanswered(Exception):
    """There was no answer; the text says what came in its place."""


def unreachable(error: OSError) -> Unanswered:
    """Return *error*, for which there is no connection, as what came in place of an answer."""
    return Unanswered(f"there was no connection ({_reason(error)})")


class OutOfTime(Exception):
    """The examination took as long as it may."""


class Deadline:
    """The end of an examination, which no single wait goes beyond."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def within(self, seconds: float) -> float:
        """
        Return how much of *seconds* is left.

        Raises:
            OutOfTime: Nothing is.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return min(seconds, left)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; *headers* as they came, repeated ones too."""

    status: int
    headers: tuple[tuple[str, str], ...]
    version: str = "HTTP/1.1"
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Return the values of the header *name*, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the value of the header *name*, the first where it is repeated."""
        values = self.all(name)
        return values[0] if values else None

    def number(self, name: str) -> int | None:
        """Return the header *name* as the number it is; None where it is none."""
        value = (self.get(name) or "").strip()
        return int(value) if value.isascii() and value.isdecimal() else None

    def items(self, name: str) -> set[str]:
        """Return what the header *name* lists, in lower case."""
        listed = ",".join(self.all(name)).lower().split(",")
        return {item.strip() for item in listed} - {""}

    @property
    def is_success(self) -> bool:
        """Tell whether the request was granted."""
        return 200 <= self.status < 300

    @property
    def keeps_open(self) -> bool:
        """Tell whether the connection takes another request."""
        said = self.items("Connection")
        return "close" not in said and (self.version != "HTTP/1.0" or "keep-alive" in said)


class Conversation:
    """
    One connection to a server; requests are sent and answers read on it by hand.

    Raises:
        OSError: There is no connection; `ssl.SSLError` among them.
    """

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None, deadline: Deadline
    ) -> None:
        self._deadline = deadline
        self._received = b""
        connection = socket.create_connection((host, port), deadline.within(CONNECT))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = (
                context.wrap_socket(connection, server_hostname=host) if context else connection
            )
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def certificate(self) -> Mapping[str, Any]:
        """Return what the server's certificate says; empty where none was verified."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return {}
        return self._socket.getpeercert() or {}

    def cut(self) -> None:
        """Close the connection without another word."""
        self._socket.close()

    def say(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """Send the head of a request."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))

    def send(self, data: bytes, *, chunked: bool = False) -> None:
        """
        Send *data*, as chunks where *chunked*, until there is an answer or nobody listens.

        Either is found by whoever reads the answer.
        """
        for start in range(0, len(data), _BLOCK):
            block = data[start : start + _BLOCK]
            if chunked:
                block = b"%x\r\n%b\r\n" % (len(block), block)
            if start and self._is_readable():
                return
            try:
                self._socket.settimeout(self._deadline.within(ANSWER))
                self._socket.sendall(block)
            except OSError:
                return

    def answer(self, *, to: str = "", within: float = ANSWER) -> Answer:
        """
        Return the answer to the method *to*; interim ones are passed over.

        Raises:
            Unanswered: There was none *within* so many seconds.
        """
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            heard = self.hear(left, to=to)
            if heard is not None and heard.status >= 200:
                return heard
        raise Unanswered(f"there was no answer within {within:.0f} seconds")

    def hear(self, within: float, *, to: str = "") -> Answer | None:
        """
        Return the next answer, be it an interim one such as 100; None if *within* none begins.

        Raises:
            Unanswered: The connection was closed, or this is not HTTP.
        """
        end = time.monotonic() + within
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > _MOST_HEAD:
                raise Unanswered("what came is no answer of HTTP")
            if not self._receive(end - time.monotonic()):
                return None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        answer = _parse(head)
        if to == "HEAD" or answer.status < 200 or answer.status in {204, 304}:
            return answer
        return Answer(answer.status, answer.headers, answer.version, self._body(answer))

    def _body(self, answer: Answer) -> bytes:
        """Return the body, or its beginning where it is long or breaks off."""
        length = answer.number("Content-Length")
        is_chunked = "chunked" in answer.items("Transfer-Encoding")
        end = time.monotonic() + ANSWER
        try:
            while len(self._received) < _MOST_BODY:
                if is_chunked and b"0\r\n\r\n" in self._received:
                    break
                if not is_chunked and length is not None and len(self._received) >= length:
                    break
                if not self._receive(end - time.monotonic()):
                    break
        except Unanswered:
            pass  # Closed: where no length was given, that is how it ends.
        size = len(self._received) if is_chunked or length is None else length
        body, self._received = self._received[:size], self._received[size:]
        return body

    def _receive(self, within: float) -> bool:
        """Take what arrives; False if nothing does within so many seconds."""
        if within <= 0:
            return False
        try:
            self._socket.settimeout(self._deadline.within(within))
            data = self._socket.recv(_BLOCK)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError as error:
            raise Unanswered(f"the connection broke ({_reason(error)})") from error
        if not data:
            raise Unanswered("the connection was closed without an answer")
        self._received += data
        return True

    def _is_readable(self) -> bool:
        """Tell whether there is something to hear; on TLS that may be no word of HTTP yet."""
        if self._received:
            return True
        if not select.select([self._socket], [], [], 0)[0]:
            return False
        try:
            return self._receive(0.001)
        except Unanswered:
            return True


def _parse(head: bytes) -> Answer:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdecimal()):
        raise Unanswered("what came is no answer of HTTP")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return Answer(int(status), headers, version)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        if error.reason == "WRONG_VERSION_NUMBER":
            return "no TLS is spoken there; is the URL http?"
        return error.reason.replace("_", " ").lower()
    return (error.strerror or str(error)).lower()
