"""Lets the kernel find out which clients are gone, where no byte would ever tell."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

#: Seconds without a byte before the kernel asks a silent client whether it is there, seconds
#: between two questions, and how many go unanswered before the connection counts as lost.
_QUIET: Final = 60
_BETWEEN: Final = 10
_QUESTIONS: Final = 6


class PeerWatch:
    """
    Lets a connection whose other end vanished be lost after two minutes, or *idle_timeout* where
    that is longer.

    TCP alone waits for a quarter of an hour before it gives up bytes that nobody acknowledges, and
    for ever where it has none to send. TCP_USER_TIMEOUT ends the former. It overrules the count of
    keep-alive questions, too, so it is what those add up to; a smaller one would take a single
    lost packet for the end. And it ends a download whose reader stands still, for which
    `idle_timeout` is the measure: so it is never shorter than that.
    """

    def __init__(self, *, idle_timeout: float) -> None:
        milliseconds = int(max(idle_timeout, _QUIET + _BETWEEN * _QUESTIONS) * 1000)
        wanted = {
            "TCP_KEEPIDLE": _QUIET,
            "TCP_KEEPINTVL": _BETWEEN,
            "TCP_KEEPCNT": _QUESTIONS,
            "TCP_USER_TIMEOUT": min(milliseconds, 2**31 - 1),
        }
        # Not every system has all of them.
        options = [
            (socket.IPPROTO_TCP, getattr(socket, name), value)
            for name, value in wanted.items()
            if hasattr(socket, name)
        ]
        self._options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *options]

    def begin(self, transport: asyncio.BaseTransport) -> None:
        """Watch the other end of *transport*; a unix socket needs none of this."""
        peer = transport.get_extra_info("socket")
        if peer is None or peer.family not in (socket.AF_INET, socket.AF_INET6):
            return
        with suppress(OSError):  # it may be gone already
            for level, option, value in self._options:
                peer.setsockopt(level, option, value)
