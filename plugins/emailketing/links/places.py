"""Which addresses are outside. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_UNICAST = IPv6Network("2000::/3")  # all that IPv6 has given out for the world
_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): the last four bytes are an IPv4 address

#: What the standard library takes for global.
_NOT_GLOBAL_4 = (
    IPv4Network("168.63.129.16/32"),  # by this a machine at Azure reaches its host
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, given up (RFC 7526)
)
_NOT_GLOBAL_6 = (IPv6Network("3fff::/20"),)  # documentation (RFC 9637)


def outside(address: str) -> bool:
    """Whether everybody reaches the same machine by this IP address: not private, loopback, link-local or reserved."""
    found = ip_address(address)
    inner = _within(found) if isinstance(found, IPv6Address) else found
    if inner is not None:
        named = any(inner in network for network in _NOT_GLOBAL_4)
        return inner.is_global and not inner.is_multicast and not inner.is_reserved and not named
    return found.is_global and found in _UNICAST and not any(found in network for network in _NOT_GLOBAL_6)


def _within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to; None for one that leads nowhere else."""
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
