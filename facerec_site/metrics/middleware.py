"""Counts each request that Django sees. Those refused before are counted by `errors`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from recognition.web.metrics import count, observe

# Others are counted together: anybody can invent a method.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._static = f"/{settings.STATIC_URL.strip('/')}/"

    def __call__(self, request: HttpRequest) -> HttpResponse:
        queries = _QueryTime()
        began = time.perf_counter()
        with connection.execute_wrapper(queries):
            response = self.get_response(request)
        took_s = time.perf_counter() - began
        route = self._route(request)
        method = request.method if request.method in _METHODS else "other"
        count("facerec_requests_total", route, str(method), f"{response.status_code // 100}xx")
        observe("facerec_request_seconds", took_s, route)
        if queries.count:
            observe("facerec_stage_seconds", queries.total_s, "database")
        return response

    def _route(self, request: HttpRequest) -> str:
        """The pattern of the address with the names of its parts; never their values."""
        if request.resolver_match is not None:
            return request.resolver_match.route
        return "static" if request.path.startswith(self._static) else "none"


class _QueryTime:
    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.count += 1
            self.total_s += time.perf_counter() - began
