"""Addresses of network cameras: which are accepted, and connections to those that were checked.

Cameras live on private networks, which are allowed. This machine itself, its link and the metadata
services of clouds are not, unless CAMERA_ALLOW_LOCAL says so.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import ip_address
from string import ascii_letters, digits, punctuation
from urllib.parse import quote, unquote

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from recognition.web.addresses import connected, is_internal, is_private, literal, resolved

CONNECT_S = 5.0
_VISIBLE = ascii_letters + digits + punctuation


@dataclass(frozen=True, slots=True)
class Scheme:
    """port: if the address names none."""

    port: int
    is_rtsp: bool
    is_tls: bool


SCHEMES: dict[str, Scheme] = {
    "rtsp": Scheme(port=554, is_rtsp=True, is_tls=False),
    "rtsps": Scheme(port=322, is_rtsp=True, is_tls=True),
    "http": Scheme(port=80, is_rtsp=False, is_tls=False),
    "https": Scheme(port=443, is_rtsp=False, is_tls=True),
}


class AddressRefused(Exception):
    """A camera may not have this address, or its host none that is allowed; the message is for
    people, and holds no password."""


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """An address, checked and taken apart. `path` includes the query; `host` has no brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_tls(self) -> bool:
        return SCHEMES[self.scheme].is_tls

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """What a camera asks for; false if there is neither."""

    username: str = ""
    password: str = ""

    def __bool__(self) -> bool:
        return bool(self.username or self.password)


def camera_url(text: str) -> CameraUrl:
    """AddressRefused for what no network camera can have. Names are not resolved here."""
    if any(c <= " " or c == "\x7f" for c in text):
        raise AddressRefused("An address has no spaces.")
    try:
        parts = parse_url(text)
    except LocationParseError:
        raise AddressRefused("This is not an address of a camera.") from None
    if parts.scheme not in SCHEMES or not parts.host:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise AddressRefused(f"An address begins with one of {known} and a host.")
    if "@" in text:
        raise AddressRefused(
            "User name and password have fields of their own. An @ in a path is written as %40."
        )
    host = parts.host.strip("[]").lower()
    refuse_literal(host)
    port = parts.port or SCHEMES[parts.scheme].port
    return CameraUrl(parts.scheme, host, port, quote(parts.request_uri, safe=_VISIBLE))


def credentials_apart(address: str) -> tuple[str, str, str]:
    """`rtsp://ann:secret@host/path` as `rtsp://host/path`, `ann` and `secret`."""
    scheme, mark, rest = address.partition("://")
    end = min((rest.index(c) for c in "/?#" if c in rest), default=len(rest))
    login, at, host = rest[:end].rpartition("@")
    if not at:
        return address, "", ""
    username, _, password = login.partition(":")
    return f"{scheme}{mark}{host}{rest[end:]}", unquote(username), unquote(password)


def host_of(address: str) -> str:
    """Of any text; empty if it names none."""
    try:
        return parse_url(address).host or ""
    except LocationParseError:
        return ""


def refuse_literal(host: str) -> None:
    """AddressRefused if the name itself gives away an address that is not allowed: this is said
    when it is entered, not at the first attempt."""
    if address := literal(host):
        _refuse_local(address)


def allowed_addresses(host: str, port: int) -> list[str]:
    """The addresses of the host. Connect to these, and do not resolve the name again. It waits for
    the resolver. AddressRefused, OSError."""
    try:
        addresses = resolved(host, port)
    except UnicodeError:
        raise AddressRefused("This is not the name of a host.") from None
    for address in addresses:
        _refuse_local(address)
    return addresses


def connect(host: str, port: int) -> socket.socket:
    """A connection to the host, at an address that is allowed. AddressRefused, OSError."""
    return connected(allowed_addresses(host, port), port, time.monotonic() + CONNECT_S)


def tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not settings.CAMERA_VERIFY_TLS:
        # Nearly every camera has made its certificate itself.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refuse_local(text: str) -> None:
    if settings.CAMERA_ALLOW_LOCAL:
        return
    # A zone (fe80::1%eth0) names an interface of this machine.
    address = None if "%" in text else ip_address(text)
    if address is None or (is_internal(address) and not is_private(address)):
        raise AddressRefused(
            f"{text} is not an address of a camera: it belongs to this machine, its link, or the "
            "services of a cloud. The setting CAMERA_ALLOW_LOCAL allows such addresses."
        )
