"""Authentication of websockets: by session or by API key.

A browser sends its cookies with a websocket that any page opens, so a session counts only if the
Origin is this site or a trusted one. A key needs no Origin. It comes in a header or, because a
browser cannot set headers on a websocket, in the subprotocol `facerec.key.SECRET`.

While the database is away, no caller can be authenticated: sockets are closed with UNAVAILABLE.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from channels.sessions import CookieMiddleware, SessionMiddleware
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, InterfaceError
from django.http.request import validate_host

from accounts.access import NOBODY, Access, access_of_key, access_of_user
from accounts.authentication import key_in_headers
from accounts.models import ApiKey
from accounts.threads import in_database_thread

logger = logging.getLogger(__name__)

KEY_SUBPROTOCOL = "facerec.key."
# Close code, chosen after HTTP's 503: a part of the server is away, and the client may try later.
UNAVAILABLE = 4503
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
    """True if the page that opened the socket comes from this site or from a trusted origin."""
    headers = _headers(scope)
    origin = headers.get("origin", "")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    is_ours = origin == f"{_scheme(scope, headers)}://{host}"
    return is_ours and validate_host(name, settings.ALLOWED_HOSTS)


def _scheme(scope: dict[str, Any], headers: dict[str, str]) -> str:
    """The scheme of the page's address, as Django sees it for a request."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        sent = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower())
        if sent is not None:
            return "https" if sent.split(",")[0].strip() == secure else "http"
    return "https" if scope.get("scheme") in ("wss", "https") else "http"


def answered_subprotocol(scope: dict[str, Any]) -> str | None:
    """The subprotocol to answer with: a browser that offers some requires one of them in the
    answer. Not the one with the key, if there is another."""
    offered: list[str] = scope.get("subprotocols", [])
    if not offered:
        return None
    plain = [name for name in offered if not name.startswith(KEY_SUBPROTOCOL)]
    return (plain or offered)[0]


@in_database_thread
def _access_of(scope: dict[str, Any]) -> Access:
    """The access of the caller; NOBODY without a valid key or session. Raises database errors."""
    if secret := _sent_key(scope):
        return _access_of_secret(secret)
    if not origin_is_ours(scope):
        return NOBODY
    return access_of_user(get_user(SimpleNamespace(session=scope["session"])))  # type: ignore[arg-type]


def _access_of_secret(secret: str) -> Access:
    key = ApiKey.find(secret)
    if key is None:
        return NOBODY
    key.mark_used()
    return access_of_key(key)


class AccessMiddleware:
    """Sets `scope["access"]` to the caller's `Access`; NOBODY without a valid key or session."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        try:
            access = await _access_of(scope)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("a websocket could not be opened: %s", error)
            await _turn_away(scope, receive, send)
            return None
        return await self.inner({**scope, "access": access}, receive, send)


async def _turn_away(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Accept the socket and close it with a code, because a browser does not tell a page why a
    handshake was refused."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": answered_subprotocol(scope)})
    reason = "The database does not answer."
    await send({"type": "websocket.close", "code": UNAVAILABLE, "reason": reason})


def with_access(inner: Application) -> Any:
    """The middleware stack for websockets."""
    return CookieMiddleware(SessionMiddleware(AccessMiddleware(inner)))
