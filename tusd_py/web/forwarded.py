"""Tells what trusted proxies saw: the scheme, host and prefix of the URL, and the client."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp import hdrs, web

#: RFC 3986's host (a name, an IPv4 or an IPv6 address in brackets) with or without a port.
_AUTHORITY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9.])?|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?"
)
#: Path segments that need no encoding, are not empty, and do not climb.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@%-]+){1,16}")
_PORT = re.compile(r"[1-9]\d{0,4}")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where clients find this server.

    Attributes:
        scheme: http or https.
        authority: Host, and the port if there is one; empty where nobody said.
        prefix: What a proxy took off the path's beginning, without a last slash.
    """

    scheme: str
    authority: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Proxies:
    """
    The proxies that are believed; anybody else's headers could be a client's own invention.

    X-Forwarded-... go before Forwarded (RFC 7239): a proxy that sets those passes on whatever
    Forwarded a client made up. Of lists the first element counts, as the outermost proxy's; a
    value of the wrong form counts for nothing.

    Attributes:
        networks: Where they are.
        unix: Whether everybody who comes by a unix socket is one.
    """

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @property
    def any(self) -> bool:
        """Tell whether anybody is believed."""
        return self.unix or bool(self.networks)

    def origin_of(self, request: web.BaseRequest) -> Origin:
        """Return where the client of *request* found this server."""
        origin = Origin(request.scheme, _authority(request.headers.get(hdrs.HOST, "")), "")
        if not self._trust(_peer(request)):
            return origin
        said = _said(request)
        scheme = said.get("proto", "").lower()
        scheme = scheme if scheme in _DEFAULT_PORTS else origin.scheme
        authority = _authority(said.get("host", "")) or origin.authority
        port = said.get("port", "")
        if authority and ":" not in authority.rpartition("]")[2] and _PORT.fullmatch(port):
            authority += "" if _DEFAULT_PORTS[scheme] == port else f":{port}"
        prefix = said.get("prefix", "").rstrip("/")
        return Origin(scheme, authority, prefix if _PREFIX.fullmatch(prefix) else "")

    def client_of(self, request: web.BaseRequest) -> str | None:
        """
        Return the address of the client, or of the last proxy that is believed.

        Each proxy adds the address that it saw at the end, so the list is read from there: what
        stands left of the first one that is not believed may be invented.
        """
        peer = _peer(request) if self.any else None
        if not self._trust(peer):
            return request.remote
        for text in _hops(request):
            address = _address(text)
            if address is None:
                break
            peer = address
            if not self._trust(address):
                break
        return request.remote if peer is None else str(peer)

    def _trust(self, peer: Address | None) -> bool:
        if peer is None:
            return self.unix
        return any(peer in network for network in self.networks)


def _peer(request: web.BaseRequest) -> Address | None:
    """Return who is at the other end of the connection; None for a unix socket."""
    return _address(request.remote or "")


def _address(text: str) -> Address | None:
    """Read an address, with or without a port or brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _authority(text: str) -> str:
    """Return *text* where it is a host with or without a port, or else nothing."""
    text = text.lower()
    match = _AUTHORITY.fullmatch(text)
    if match is None or (match[1] and int(match[1][1:]) > 65535):
        return ""
    return text


def _said(request: web.BaseRequest) -> dict[str, str]:
    """Return what the outermost proxy said, by the names that RFC 7239 uses."""
    said = {
        name: values[0]
        for name in ("proto", "host", "port", "prefix")
        if (values := _list(request, f"X-Forwarded-{name}"))
    }
    if "proto" in said or "host" in said or not request.forwarded:
        return said
    first = request.forwarded[0]
    return said | {name: first[name] for name in ("proto", "host") if name in first}


def _hops(request: web.BaseRequest) -> Iterator[str]:
    """Yield the addresses that proxies added, the last one first."""
    added: Sequence[str] = _list(request, "X-Forwarded-For")
    if not added:
        added = [element.get("for", "") for element in request.forwarded]
    yield from reversed(added)


def _list(request: web.BaseRequest, name: str) -> list[str]:
    joined = ",".join(request.headers.getall(name, ()))
    return [each.strip() for each in joined.split(",")] if joined else []
