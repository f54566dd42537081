"""URLs and addresses that webhooks may have."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from recognition.notices.addresses import UrlRefused, allowed_addresses, checked_url
from recognition.web.addresses import is_internal

INTERNAL = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:53aa:64c:0:7a:8000:1",
]
PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "2606:4700::1111",
    "2a00:1450:4001:81b::200e",
    "64:ff9b::808:808",
]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses, instead of the resolver."""
    names: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        found = names.get(host, [])
        if not found:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.mark.parametrize("address", INTERNAL)
def test_address_not_on_the_public_internet_is_internal(address: str) -> None:
    assert is_internal(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_not_internal(address: str) -> None:
    assert not is_internal(ip_address(address))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", ("https", "example.com", 443, "/")),
        ("http://example.com/a?b=c", ("http", "example.com", 80, "/a?b=c")),
        ("HTTPS://Example.COM:8443/x", ("https", "example.com", 8443, "/x")),
        ("https://[2606:4700::1111]/x", ("https", "2606:4700::1111", 443, "/x")),
        ("https://bücher.example/ä#part", ("https", "xn--bcher-kva.example", 443, "/%C3%A4")),
    ],
)
def test_checked_url_has_scheme_host_port_and_path(
    url: str, expected: tuple[str, str, int, str]
) -> None:
    found = checked_url(url)
    assert (found.scheme, found.host, found.port, found.path) == expected


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_url"),
        ("example.com/hook", "invalid_url"),
        ("ftp://example.com/", "invalid_url"),
        ("file:///etc/passwd", "invalid_url"),
        ("https:///path", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://example.com/\r\nHost: x", "invalid_url"),
        ("https://example.com:99999/", "invalid_url"),
        ("https://example.com/" + "a" * 500, "invalid_url"),
        ("https://user@example.com/", "credentials_in_url"),
        ("https://user:word@example.com/", "credentials_in_url"),
        ("https://:@example.com/", "credentials_in_url"),
        ("http://example.com:22/", "port_not_allowed"),
        ("http://example.com:0/", "port_not_allowed"),
        ("http://localhost:8000/", "internal_address"),
        ("http://hook.localhost/", "internal_address"),
        ("http://169.254.169.254/latest", "internal_address"),
        ("http://[::1]/", "internal_address"),
        ("http://[::ffff:127.0.0.1]/", "internal_address"),
    ],
)
def test_url_is_refused_with_its_code(url: str, code: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        checked_url(url)
    assert refused.value.code == code


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001"])
def test_number_that_the_resolver_reads_as_loopback_is_refused(host: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        allowed_addresses(checked_url(f"http://{host}:8000/"))
    assert refused.value.code == "internal_address"


def test_name_with_a_public_address_is_resolved(resolver: dict[str, list[str]]) -> None:
    resolver["hook.example"] = ["93.184.215.14", "93.184.215.14"]
    assert allowed_addresses(checked_url("https://hook.example/")) == ["93.184.215.14"]


def test_name_with_one_internal_address_of_two_is_refused(resolver: dict[str, list[str]]) -> None:
    resolver["hook.example"] = ["93.184.215.14", "10.0.0.1"]
    with pytest.raises(UrlRefused) as refused:
        allowed_addresses(checked_url("https://hook.example/"))
    assert refused.value.code == "internal_address"
    assert "10.0.0.1" in refused.value.message


def test_address_with_a_zone_is_refused(resolver: dict[str, list[str]]) -> None:
    resolver["hook.example"] = ["fe80::1%eth0"]
    with pytest.raises(UrlRefused):
        allowed_addresses(checked_url("https://hook.example/"))


def test_url_with_an_unknown_host_is_refused(resolver: dict[str, list[str]]) -> None:
    with pytest.raises(UrlRefused) as refused:
        allowed_addresses(checked_url("https://nowhere.example/"))
    assert refused.value.code == "unknown_host"


def test_internal_addresses_are_allowed_by_the_setting(
    settings: Any, resolver: dict[str, list[str]]
) -> None:
    settings.WEBHOOK_ALLOW_INTERNAL = True
    resolver["hook.example"] = ["10.0.0.1"]
    assert checked_url("http://localhost:8000/").host == "localhost"
    assert allowed_addresses(checked_url("https://hook.example/")) == ["10.0.0.1"]
