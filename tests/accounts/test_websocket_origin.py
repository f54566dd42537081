"""A session opens a websocket only from a page of our own."""

from __future__ import annotations

import pytest

from accounts.websocket import origin_is_ours


def _scope(origin: str, host: str = "localhost:8000") -> dict:
    return {"headers": [(b"origin", origin.encode()), (b"host", host.encode())]}


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://localhost", "localhost", True),
        ("http://evil.example", "localhost:8000", False),
        ("http://localhost:9000", "localhost:8000", False),
        ("", "localhost:8000", False),
        ("null", "localhost:8000", False),
        # A page that was reached under a name we do not answer to (DNS rebinding).
        ("http://evil.example", "evil.example", False),
    ],
)
def test_websocket_origin_must_be_the_host_itself(
    origin: str, host: str, ours: bool, settings: object
) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]  # type: ignore[attr-defined]
    settings.CSRF_TRUSTED_ORIGINS = []  # type: ignore[attr-defined]
    assert origin_is_ours(_scope(origin, host)) is ours


def test_trusted_websocket_origin_is_accepted(settings: object) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://faces.example"]  # type: ignore[attr-defined]
    assert origin_is_ours(_scope("https://faces.example", "inner:8000"))
