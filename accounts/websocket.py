"""Who opens a websocket: a session whose page comes from an allowed origin, or an API key.

A browser cannot set headers on a websocket, and sends its cookies to any page's request; so a
session counts only with an Origin of our own, while a key (header, or the subprotocol
`facerec.key.SECRET`) needs none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlparse

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import validate_host

from accounts.access import NOBODY, Access, access_of_key, access_of_user
from accounts.authentication import key_in_headers
from accounts.models import ApiKey

KEY_SUBPROTOCOL = "facerec.key."
Application = Callable[[dict[str, Any], Any, Any], Awaitable[Any]]


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}


def _sent_key(scope: dict[str, Any]) -> str:
    for subprotocol in scope.get("subprotocols", []):
        if subprotocol.startswith(KEY_SUBPROTOCOL):
            return subprotocol.removeprefix(KEY_SUBPROTOCOL)
    headers = _headers(scope)
    return key_in_headers(headers.get("authorization", ""), headers.get("x-api-key", ""))


def origin_is_ours(scope: dict[str, Any]) -> bool:
    """True if the page that opened the socket was served by this site, or by a trusted origin."""
    headers = _headers(scope)
    origin = headers.get("origin", "")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return bool(
        origin and urlparse(origin).netloc == host and validate_host(name, settings.ALLOWED_HOSTS)
    )


@database_sync_to_async
def _access_of_secret(secret: str) -> Access:
    key = ApiKey.find(secret)
    if key is None:
        return NOBODY
    key.mark_used()
    return access_of_key(key)


class AccessMiddleware:
    """Puts `scope["access"]`: an `Access`, NOBODY for a stranger."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        secret = _sent_key(scope)
        if secret:
            access = await _access_of_secret(secret)
        elif origin_is_ours(scope):
            # The user is lazy: reading it touches the database.
            access = await database_sync_to_async(access_of_user)(scope.get("user"))
        else:
            access = NOBODY
        return await self.inner({**scope, "access": access}, receive, send)


def with_access(inner: Application) -> Any:
    """The middleware stack for websockets."""
    return AuthMiddlewareStack(AccessMiddleware(inner))
