"""URLs that a webhook may have, and addresses that it may connect to.

A host name is resolved once, and the connection goes to the address that was checked. So a name
that resolves to another address the second time (DNS rebinding) cannot get around the check.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

LONGEST_URL = 500
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Ports below belong to services that do not expect HTTP, such as mail and SSH.
_FIRST_FREE_PORT = 1024
# Internal networks that `ipaddress` does not count as private: protocol assignments (Oracle's
# metadata service is there), relays of 6to4, and the host of a virtual machine at Azure.
_INTERNAL_V4 = tuple(
    ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
# The public IPv6 internet, and the part of it for 6to4, which leads to any IPv4 address.
_PUBLIC_V6, _6TO4 = ip_network("2000::/3"), ip_network("2002::/16")
# NAT64: translated to the IPv4 address in the last 32 bits.
_NAT64 = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class UrlRefused(Exception):
    """A webhook may not have this URL. `code` is for programs, `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """The parts of a checked URL. `path` includes the query; `host` has no brackets."""

    scheme: str
    host: str
    port: int
    path: str


def checked_url(text: str) -> WebhookUrl:
    """Parse a URL. UrlRefused if a webhook may not have it. Host names are not resolved here."""
    if len(text) > LONGEST_URL or any(c <= " " or c == "\x7f" for c in text):
        raise UrlRefused("invalid_url", f"A URL has {LONGEST_URL} characters at most, no spaces.")
    try:
        parts = parse_url(text)
    except LocationParseError as error:
        raise UrlRefused("invalid_url", "This is not a URL.") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.host:
        raise UrlRefused("invalid_url", "The URL must begin with https:// or http:// and a host.")
    if parts.auth is not None or "@" in (parts.netloc or ""):
        raise UrlRefused("credentials_in_url", "A URL with a user name or password is refused.")
    host = parts.host.strip("[]")
    port = _checked_port(parts.port, parts.scheme)
    _refuse_internal_literal(host)
    return WebhookUrl(scheme=parts.scheme, host=host, port=port, path=parts.request_uri)


def allowed_addresses(url: WebhookUrl) -> list[str]:
    """The addresses of the URL's host. Connect to these, and do not resolve the name again. Blocks
    until the resolver answers.

    UrlRefused if there is no address, or if one is internal (unless WEBHOOK_ALLOW_INTERNAL).
    """
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UrlRefused("unknown_host", f"No address was found for {url.host}.") from error
    # The fifth entry is (address, port, ...).
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        _refuse_internal(address)
    return addresses


def is_internal(address: Address) -> bool:
    """True if the address is not on the public internet: loopback, private, link-local, multicast,
    reserved, or a metadata service."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_internal(IPv4Address(address.packed[-4:]))
        if address not in _PUBLIC_V6 or address in _6TO4:
            return True
    elif any(address in network for network in _INTERNAL_V4):
        return True
    return address.is_multicast or not address.is_global


def _checked_port(port: int | None, scheme: str) -> int:
    if port is None:
        return _DEFAULT_PORTS[scheme]
    if port in _DEFAULT_PORTS.values() or _FIRST_FREE_PORT <= port <= 65535:
        return port
    message = f"The port must be 80, 443 or at least {_FIRST_FREE_PORT}."
    raise UrlRefused("port_not_allowed", message)


def _refuse_internal_literal(host: str) -> None:
    """Refuse a URL that contains an internal address already when it is entered, not only at the
    first delivery."""
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        ip_address(host)
    except ValueError:
        return
    _refuse_internal(host)


def _refuse_internal(text: str) -> None:
    if settings.WEBHOOK_ALLOW_INTERNAL:
        return
    # A zone (fe80::1%eth0) names an interface of this machine.
    if "%" in text or is_internal(ip_address(text)):
        message = f"{text} is an internal address; WEBHOOK_ALLOW_INTERNAL allows them."
        raise UrlRefused("internal_address", message)
