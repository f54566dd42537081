"""A session opens a websocket only from a page of this site."""

from __future__ import annotations

import pytest

from accounts.websocket import origin_is_ours


def _scope(origin: str, host: str = "localhost:8000") -> dict:
    return {"headers": [(b"origin", origin.encode()), (b"host", host.encode())]}


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://localhost:8000", "localhost:8000", False),
        ("http://evil.example", "localhost:8000", False),
        ("http://localhost:9000", "localhost:8000", False),
        ("", "localhost:8000", False),
        ("null", "localhost:8000", False),
        # A page that was loaded under a host name that is not ours (DNS rebinding).
        ("http://evil.example", "evil.example", False),
    ],
)
def test_websocket_origin_must_be_the_host_itself(
    origin: str, host: str, ours: bool, settings: object
) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]  # type: ignore[attr-defined]
    settings.CSRF_TRUSTED_ORIGINS = []  # type: ignore[attr-defined]
    assert origin_is_ours(_scope(origin, host)) is ours


@pytest.mark.parametrize(
    ("scheme", "proxy", "origin", "ours"),
    [
        ("wss", None, "https://localhost", True),
        ("wss", None, "http://localhost", False),
        ("ws", "https", "https://localhost", True),
        ("ws", "https", "http://localhost", False),
        ("ws", "http", "https://localhost", False),
    ],
)
def test_scheme_is_the_one_the_page_was_served_with(
    settings: object, scheme: str, proxy: str | None, origin: str, ours: bool
) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]  # type: ignore[attr-defined]
    scope = {**_scope(origin, "localhost"), "scheme": scheme}
    if proxy:
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # type: ignore[attr-defined]
        scope["headers"].append((b"x-forwarded-proto", proxy.encode()))
    assert origin_is_ours(scope) is ours


def test_header_of_a_proxy_counts_only_behind_one(settings: object) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]  # type: ignore[attr-defined]
    scope = _scope("https://localhost", "localhost")
    scope["headers"].append((b"x-forwarded-proto", b"https"))
    assert not origin_is_ours(scope)


def test_trusted_websocket_origin_is_accepted(settings: object) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://faces.example"]  # type: ignore[attr-defined]
    assert origin_is_ours(_scope("https://faces.example", "inner:8000"))
