"""What our own pages may load and whom they may speak to, for browsers to enforce."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        # 'self' is not enough for websockets in every browser.
        "connect-src 'self' ws: wss:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
# Not ours: their scripts and styles are within the page.
_OTHERS = ("/admin/", "/api/docs/")


class ContentSecurityMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if iscoroutinefunction(self.get_response):
            return self._answer_async(request)  # type: ignore[return-value]
        return _protected(request, self.get_response(request))

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        return _protected(request, await self.get_response(request))


def _protected(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not request.path_info.startswith(_OTHERS):
        response.setdefault(HEADER, POLICY)
    return response
