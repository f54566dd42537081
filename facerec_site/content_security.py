"""The Content-Security-Policy header: what a browser lets a page load and connect to."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
_COMMON = [
    "default-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    # In some browsers 'self' does not cover websockets.
    "connect-src 'self' ws: wss:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
]
_STYLES_IN_THE_PAGE = "style-src 'self' 'unsafe-inline'"
# The pages of Unfold use Alpine, which evaluates expressions in HTML attributes.
_EVALUATED = "script-src 'self' 'unsafe-eval'"
POLICY = "; ".join(_COMMON)
# Policies of pages that come from other packages, by the start of their path. No page has inline
# scripts.
_OTHERS = {
    "/admin/": "; ".join([*_COMMON, _EVALUATED, _STYLES_IN_THE_PAGE]),
    "/api/docs/": "; ".join([*_COMMON, _STYLES_IN_THE_PAGE]),
}


class ContentSecurityMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        found = (policy for start, policy in _OTHERS.items() if request.path_info.startswith(start))
        response.setdefault(HEADER, next(found, POLICY))
        return response
