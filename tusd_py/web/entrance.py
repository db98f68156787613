"""
Decides which connections are let in, and turns the others away.

Descriptors and memory are finite: past a limit it is better to serve those who are here than to
fail everybody. Whoever is turned away costs one small object and the second it may take to answer.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from multidict import CIMultiDict

from tusd_py.metrics import Metrics
from tusd_py.protocol.headers import TUS_RESUMABLE, VERSION
from tusd_py.web.clients import client_of
from tusd_py.web.cors import Cors
from tusd_py.web.tcp import PeerWatch

log = logging.getLogger(__name__)

#: What the Server header says; which versions run below is nobody's business.
SERVER_NAME: Final = "tusd-py"
_RETRY_AFTER: Final = 5
#: Seconds in which a client that is turned away can still say what it came for, and how many may
#: do so at once.
_PATIENCE: Final = 1.0
_MOST_WAITING: Final = 256
#: Seconds between two lines in the log; a flood of clients must not become one of lines.
_LOG_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    What connections may cost.

    Attributes:
        header_timeout: Seconds within which a request's head has to be complete.
        idle_timeout: Seconds for which a body or a download may stand still.
        max_connections: How many may be open, in all processes of the server together.
        max_per_address: How many of them one client may have in one process; None for any number.
    """

    header_timeout: float = 15.0
    idle_timeout: float = 60.0
    max_connections: int = 10_000
    max_per_address: int | None = None


class Entrance:
    """
    Counts the connections of one process.

    Args:
        limits: What they may cost.
        workers: How many processes share the limit of all connections.
        metrics: Is told who comes, goes, and is turned away.
        cors: Says which pages may read that they were turned away.
    """

    def __init__(
        self, limits: ConnectionLimits, *, workers: int, metrics: Metrics, cors: Cors
    ) -> None:
        self.header_timeout = limits.header_timeout
        self.metrics = metrics
        self.cors = cors
        self._most = -(-limits.max_connections // workers)
        self._most_per_address = limits.max_per_address
        self._peers = PeerWatch(idle_timeout=limits.idle_timeout)
        self._open = 0
        self._open_of: dict[str, int] = {}
        self._waiting = 0
        self._logged_at = float("-inf")

    def admit(self, transport: asyncio.Transport) -> str | None:
        """
        Count a connection in, and return what to give to `leave` after it.

        None means that it was turned away: somebody else answers it, and it is not to be touched.
        """
        client = "" if self._most_per_address is None else _client_at(transport)
        if self._open >= self._most:
            self._turn_away(transport, "max_connections")
            return None
        if client:
            of_client = self._open_of.get(client, 0)
            if self._most_per_address is not None and of_client >= self._most_per_address:
                self._turn_away(transport, "max_connections_per_address")
                return None
            self._open_of[client] = of_client + 1
        self._open += 1
        self.metrics.connection_made()
        self._peers.begin(transport)
        return client

    def leave(self, client: str) -> None:
        """Count a connection out."""
        self._open -= 1
        self.metrics.connection_lost()
        if client:
            left = self._open_of[client] - 1
            if left:
                self._open_of[client] = left
            else:
                del self._open_of[client]

    def _turn_away(self, transport: asyncio.Transport, limit: str) -> None:
        self.metrics.connection_refused(limit)
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning("Connections are refused: there are as many as %s allows.", limit)
        refusal = Refusal(self, transport)
        transport.set_protocol(refusal)
        if self._waiting >= _MOST_WAITING:
            refusal.answer(b"")
        else:
            self._waiting += 1
            refusal.wait()

    def refused(self) -> None:
        """Note that a client that was waited for is answered."""
        self._waiting -= 1


class Refusal(asyncio.Protocol):
    """
    Answers a client that is turned away, once it has said what it wants.

    The status is 503, and not 429: tus-js-client takes most of 4xx as final. On HEAD it gives an
    upload up and starts from zero at any status but 2xx and 423, so that one gets 423. Nothing
    else is looked at but where a page is from, which could not read the answer otherwise.
    """

    def __init__(self, entrance: Entrance, transport: asyncio.Transport) -> None:
        self._entrance = entrance
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """Wait for the first bytes, though not for long."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_PATIENCE, self.answer, b"")

    def answer(self, request: bytes) -> None:
        """Answer what *request* begins, and close."""
        if self._transport.is_closing():
            return
        method, headers = _begin_of(request)
        is_head = method == "HEAD"
        self._transport.write(
            closing_answer(
                HTTPStatus.LOCKED if is_head else HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many connections: try again in a moment.",
                retry_after=_RETRY_AFTER,
                with_body=not is_head,
                headers=self._entrance.cors.headers_for(method, headers),
            )
        )
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take the first bytes for what the client wants."""
        self.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the next one wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._entrance.refused()


def closing_answer(
    status: HTTPStatus,
    text: str,
    *,
    retry_after: int | None = None,
    with_body: bool = True,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return a response in plain text, after which the connection is closed."""
    body = f"{status.value}: {text}\n"
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"{TUS_RESUMABLE}: {VERSION}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"Date: {formatdate(usegmt=True)}",
        f"Server: {SERVER_NAME}",
    ]
    if retry_after is not None:
        lines.append(f"Retry-After: {retry_after}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body if with_body else ""]).encode()


def _begin_of(request: bytes) -> tuple[str, CIMultiDict[str]]:
    """Return the method, and the headers that are there already."""
    first, *lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first.partition(" ")[0], CIMultiDict((name, value.strip()) for name, _, value in pairs)


def _client_at(transport: asyncio.BaseTransport) -> str:
    """Return who is at the other end; empty where that cannot be told."""
    peer = transport.get_extra_info("peername")
    return client_of(peer[0]) or "" if isinstance(peer, tuple) else ""
