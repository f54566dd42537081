"""Every request has an id: the caller's own, if it is a sane one, or a new one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Sets `request.request_id` and answers it in `X-Request-Id`."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if iscoroutinefunction(self.get_response):
            return self._answer_async(request)  # type: ignore[return-value]
        self._mark(request)
        return self._label(request, self.get_response(request))

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        self._mark(request)
        return self._label(request, await self.get_response(request))

    def _mark(self, request: HttpRequest) -> None:
        sent = request.headers.get(HEADER, "")
        request.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex  # type: ignore[attr-defined]

    def _label(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response[HEADER] = request.request_id  # type: ignore[attr-defined]
        return response
