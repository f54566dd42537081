"""Tell from the headers of a request whether its caller is known. Scopes are checked later."""

from __future__ import annotations

import io
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from accounts.access import access_of_user
from accounts.authentication import key_in_headers
from accounts.models import ApiKey
from accounts.threads import in_database_thread


@in_database_thread
def is_known(scope: dict[str, Any]) -> bool:
    """True if the headers have a valid API key or the session of an active user.

    Raises DatabaseError or InterfaceError if the database is away.
    """
    request = ASGIRequest(scope, io.BytesIO())
    sent = request.headers
    if secret := key_in_headers(sent.get("Authorization", ""), sent.get("X-Api-Key", "")):
        return ApiKey.find(secret) is not None
    SessionMiddleware(lambda _: HttpResponse()).process_request(request)
    return access_of_user(get_user(request)).is_signed_in
