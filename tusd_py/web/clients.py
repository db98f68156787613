"""Says which requests and connections count as one client's, where that is limited."""

import ipaddress


def client_of(host: str | None) -> str | None:
    """
    Return what stands for the client at the address *host*; None where it has none.

    A unix socket has no address. Of an IPv6 address the network of 64 bits counts, for it is what
    a single subscriber is given; on a link all addresses share one, so there each is a client.
    """
    if not host:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None  # the path of a unix socket
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address.is_link_local or address.is_loopback:
        return host
    return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
