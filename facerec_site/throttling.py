"""How often one caller may call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.access import access_of
from accounts.browsers import known_browser

if TYPE_CHECKING:
    # DRF's views read the default throttles, these here, while they are imported.
    from rest_framework.views import APIView


class SignInRateThrottle(SimpleRateThrottle):
    """One rate for each address, whatever names it tries, by setting `SIGN_IN_RATE`. A browser that
    the user has signed in with before has a rate of its own."""

    scope = "sign_in"

    def get_cache_key(self, request: Request | HttpRequest, view: object) -> str:
        browser = known_browser(request, request.POST.get("username", ""))
        ident = f"{request.META.get('REMOTE_ADDR', '')} {browser}".encode().hex()
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CallerRateThrottle(SimpleRateThrottle):
    """One rate for each key or user, by setting `API_RATE`. Strangers were refused before."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        # Names may hold characters that a cache refuses.
        ident = access_of(request).name.encode().hex()
        return self.cache_format % {"scope": self.scope, "ident": ident}
