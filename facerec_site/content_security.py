"""What pages may load and whom they may speak to, for browsers to enforce."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
_COMMON = [
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
_STYLES_IN_THE_PAGE = "style-src 'self' 'unsafe-inline'"
# Alpine, which Unfold's pages are made with, evaluates what their attributes say.
_EVALUATED = "script-src 'self' 'unsafe-eval'"
POLICY = "; ".join(_COMMON)
# By the beginning of the path, where pages are not all ours. No page has a script within it.
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
