"""Every request has an id: the one that the caller sent, if it is valid, or a new one.

A websocket has the id of its handshake. `current_request_id` is that of the request or websocket
that this code works for, in any thread; the log shows it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse

from recognition.web.boundaries import AsgiDict

HEADER = "X-Request-Id"
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_for(sent: str) -> str:
    return sent if _SANE.fullmatch(sent) else uuid.uuid4().hex


class RequestIdMiddleware:
    """Sets `request.request_id`, and the header `X-Request-Id` of the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        scope = getattr(request, "scope", {})  # without one in tests
        request_id = scope.get("request_id") or request_id_for(request.headers.get(HEADER, ""))
        request.request_id = request_id  # type: ignore[attr-defined]
        token = current_request_id.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            current_request_id.reset(token)
        response[HEADER] = request_id
        return response


def with_request_id(application: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """ASGI middleware: sets `current_request_id` and `scope["request_id"]`."""

    async def identified(scope: AsgiDict, receive: Any, send: Any) -> Any:
        sent = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
        request_id = request_id_for(sent.decode("latin1"))
        # In the task of this request or websocket; the threads that it calls get a copy.
        current_request_id.set(request_id)
        return await application({**scope, "request_id": request_id}, receive, send)

    return identified
