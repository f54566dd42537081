"""Addresses of other machines: which are internal, and connections to those that were checked.

A name is resolved once and the connection goes to an address that was checked, so a name that
answers something else the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Beside what Python's tables call private: protocol assignments (Oracle's metadata service is one),
# relays of 6to4, and the host of a virtual machine at Azure.
_INTERNAL_V4 = tuple(
    ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
# All of the public IPv6 internet, and of it 6to4, which ends at any IPv4 address.
_PUBLIC_V6, _6TO4 = ip_network("2000::/3"), ip_network("2002::/16")
# Translated to the IPv4 address in its last 32 bits.
_NAT64 = ip_network("64:ff9b::/96")
_PRIVATE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
# Metadata services of clouds that have an address of a private network.
_METADATA = frozenset(
    ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)

Address = IPv4Address | IPv6Address


def is_internal(address: Address) -> bool:
    """Loopback, private, link-local, multicast, reserved, metadata: not on the public internet."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_internal(IPv4Address(address.packed[-4:]))
        if address not in _PUBLIC_V6 or address in _6TO4:
            return True
    elif any(address in network for network in _INTERNAL_V4):
        return True
    return address.is_multicast or not address.is_global


def is_private(address: Address) -> bool:
    """Of a private network, such as that of a house; no service of the cloud has this address."""
    is_listed = any(address in network for network in _PRIVATE)
    return is_listed and address not in _METADATA


def literal(host: str) -> str | None:
    """The address that a host's name itself gives away; None if the resolver must be asked."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, each once. It waits for the resolver. OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The fifth entry is (address, port, ...).
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connected(addresses: Sequence[str], port: int, deadline_s: float) -> socket.socket:
    """A connection to the first of them that takes one, until a time of `time.monotonic()`.
    OSError, among them TimeoutError."""
    failure: OSError = TimeoutError()
    for number, address in enumerate(addresses):
        share_s = time_left(deadline_s) / (len(addresses) - number)
        try:
            return socket.create_connection((address, port), timeout=share_s)
        except OSError as error:
            failure = error
    raise failure


def time_left(deadline_s: float) -> float:
    """Seconds until a time of `time.monotonic()`; TimeoutError if there are none."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
