"""Says what is examined, and opens connections to it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from tusd_py.doctor.conversation import Conversation, Deadline

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """
    What is examined, and how.

    Attributes:
        url: Where uploads are created.
        headers: Go with each request to the URL's own origin, and nowhere else: they may be
            secrets. They are never part of a report.
        origin: The origin of the pages that upload; None for one that nobody knows.
        verifies: Whether a certificate has to be right to go on.
        pause: Seconds for which a body pauses.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: str | None = None
    verifies: bool = True
    pause: float = 5.0

    def connect(self, url: str, deadline: Deadline) -> Conversation:
        """
        Open a connection to the server of *url*.

        Raises:
            OSError: There is none.
        """
        parts = urlsplit(url)
        context = None
        if parts.scheme == "https":
            context = trusting_context() if self.verifies else distrusting_context()
        return Conversation(parts.hostname or "", port_of(parts), context, deadline)

    def headers_for(self, url: str) -> Mapping[str, str]:
        """Return which of the headers a request to *url* may carry."""
        return self.headers if origin_of(url) == origin_of(self.url) else {}


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of *url*."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", port_of(parts)


def port_of(parts: SplitResult) -> int:
    """Return the port that a URL means."""
    return parts.port or _PORTS.get(parts.scheme, 0)


def request_target(url: str) -> str:
    """Return what stands for *url* in the first line of a request."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else path


def trusting_context() -> ssl.SSLContext:
    """Return what verifies certificates as clients do."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def distrusting_context() -> ssl.SSLContext:
    """Return what takes any certificate."""
    context = trusting_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
