"""Opening websockets of the site in tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import ApiKey, User
from recognition.people.models import Collection

PATIENCE_S = 10.0


class Socket(WebsocketCommunicator):
    """A client, with answers as JSON."""

    async def tell(self, **message: Any) -> None:
        await self.send_to(text_data=json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        message = await self.receive_output(PATIENCE_S)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def hear_until(self, kind: str) -> dict[str, Any]:
        while (message := await self.hear())["type"] != kind:
            pass
        return message

    async def start(self, **message: Any) -> dict[str, Any]:
        await self.tell(type="session.start", **message)
        return await self.hear_until("session.started")

    async def closed_with(self) -> int:
        while (message := await self.receive_output(PATIENCE_S))["type"] != "websocket.close":
            pass
        return message["code"]


@asynccontextmanager
async def opened(path: str, **options: Any) -> AsyncIterator[Socket]:
    """`secret`, `session`, `headers`, `subprotocols` and `client` (an address) say who opens it."""
    socket = new_socket(path, **options)
    is_open, _ = await socket.connect(PATIENCE_S)
    assert is_open
    try:
        yield socket
    finally:
        await socket.disconnect(timeout=PATIENCE_S)


def new_socket(
    path: str,
    *,
    secret: str = "",
    session: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    subprotocols: tuple[str, ...] = (),
    client: str = "",
) -> Socket:
    # Late: the site must be set up first.
    from facerec_site.asgi import application

    sent = [("host", "localhost"), *headers]
    if secret:
        sent.append(("authorization", f"Bearer {secret}"))
    if session:
        sent.append(("cookie", f"{settings.SESSION_COOKIE_NAME}={session}"))
    encoded = [(name.encode(), value.encode()) for name, value in sent]
    socket = Socket(application, path, headers=encoded, subprotocols=list(subprotocols))
    if client:
        socket.scope["client"] = [client, 40_000]
    return socket


@database_sync_to_async
def issue_key(*scopes: str, collection: Collection | None = None) -> str:
    key_of = {"collection_id": collection.pk} if collection else {}
    return ApiKey.issue(name="test", scopes=list(scopes), **key_of)[1]


@database_sync_to_async
def sign_in(user: User) -> str:
    """A session's key, as a browser's cookie holds it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key
    return session.session_key
