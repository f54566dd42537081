"""Every request has an id: the one that the caller sent, if it is valid, or a new one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_for(sent: str) -> str:
    return sent if _SANE.fullmatch(sent) else uuid.uuid4().hex


class RequestIdMiddleware:
    """Sets `request.request_id`, and the header `X-Request-Id` of the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = request_id_for(request.headers.get(HEADER, ""))  # type: ignore[attr-defined]
        response = self.get_response(request)
        response[HEADER] = request.request_id  # type: ignore[attr-defined]
        return response
