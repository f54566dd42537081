"""Limits on how often one caller may call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.access import access_of
from accounts.browsers import known_browser

if TYPE_CHECKING:
    # Importing DRF's views imports the default throttles, which are in this file.
    from rest_framework.views import APIView


class SignInRateThrottle(SimpleRateThrottle):
    """Setting `SIGN_IN_RATE`, counted for each address, whatever names it tries. A browser that the
    user has signed in with before is counted separately."""

    scope = "sign_in"

    def get_cache_key(self, request: Request | HttpRequest, view: object) -> str:
        browser = known_browser(request, request.POST.get("username", ""))
        ident = f"{request.META.get('REMOTE_ADDR', '')} {browser}".encode().hex()
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CallerRateThrottle(SimpleRateThrottle):
    """Setting `API_RATE`, counted for each key or user. Callers without either were refused
    before."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        # As hexadecimal digits, because a cache refuses some characters that names may have.
        ident = access_of(request).name.encode().hex()
        return self.cache_format % {"scope": self.scope, "ident": ident}
