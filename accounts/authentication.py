"""API keys in REST requests: `Authorization: Bearer KEY` or `X-Api-Key: KEY`."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiKey


def key_in_headers(authorization: str, api_key: str) -> str:
    """The secret in the values of `Authorization` and `X-Api-Key`, or an empty string."""
    scheme, _, value = authorization.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else api_key.strip()


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        secret = key_in_headers(
            request.headers.get("Authorization", ""), request.headers.get("X-Api-Key", "")
        )
        if not secret:
            return None
        key = ApiKey.find(secret)
        if key is None:
            raise AuthenticationFailed("This API key is unknown, expired or switched off.")
        key.mark_used()
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = ApiKeyAuthentication
    name = ["bearerAuth", "apiKeyAuth"]

    def get_security_requirement(self, auto_schema: object) -> list[dict[str, list]]:
        return [{name: []} for name in self.name]  # one of them is enough

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer"},
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        ]
