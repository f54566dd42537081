"""How often one caller may call."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from accounts.access import access_of


class CallerRateThrottle(SimpleRateThrottle):
    """One rate for each key or user, by setting `API_RATE`; strangers count by address."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        access = access_of(request)
        ident = access.name if access.is_signed_in else self.get_ident(request)
        # Names may hold characters that a cache refuses.
        return self.cache_format % {"scope": self.scope, "ident": ident.encode().hex()}
