"""Where a webhook may point to: which URLs are accepted, and which addresses are connected to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from recognition.web.addresses import is_internal, literal, resolved

LONGEST_URL = 500
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Ports below belong to services that do not expect HTTP, such as mail and SSH.
_FIRST_FREE_PORT = 1024


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
    # What the URL itself gives away is said when it is entered, not at the first attempt.
    if address := literal(host):
        _refuse_internal(address)
    return WebhookUrl(scheme=parts.scheme, host=host, port=port, path=parts.request_uri)


def allowed_addresses(url: WebhookUrl) -> list[str]:
    """The addresses of the URL's host. Connect to these, and do not resolve the name again. Blocks
    until the resolver answers.

    UrlRefused if there is no address, or if one is internal (unless WEBHOOK_ALLOW_INTERNAL).
    """
    try:
        addresses = resolved(url.host, url.port)
    except (OSError, UnicodeError) as error:
        raise UrlRefused("unknown_host", f"No address was found for {url.host}.") from error
    for address in addresses:
        _refuse_internal(address)
    return addresses


def _checked_port(port: int | None, scheme: str) -> int:
    if port is None:
        return _DEFAULT_PORTS[scheme]
    if port in _DEFAULT_PORTS.values() or _FIRST_FREE_PORT <= port <= 65535:
        return port
    message = f"The port must be 80, 443 or at least {_FIRST_FREE_PORT}."
    raise UrlRefused("port_not_allowed", message)


def _refuse_internal(text: str) -> None:
    if settings.WEBHOOK_ALLOW_INTERNAL:
        return
    # A zone (fe80::1%eth0) names an interface of this machine.
    if "%" in text or is_internal(ip_address(text)):
        message = f"{text} is an internal address; WEBHOOK_ALLOW_INTERNAL allows them."
        raise UrlRefused("internal_address", message)
