"""Browsers that a user has signed in with before. Wrong passwords from such a browser are counted
separately, so that a stranger at the same address (an office, a proxy) cannot lock the user out.

The browser keeps a signed cookie with a random id and the users who have signed in with it.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "known_browser"
_SALT = "accounts.browsers"
_KEPT = timedelta(days=365)
_MOST_USERS = 10
# Separates the name from the id of the browser. User names cannot contain it.
_BETWEEN = "#"


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """The name under which a wrong password is counted (`AXES_USERNAME_CALLABLE` of axes)."""
    name = (credentials or request.POST).get("username")
    browser = known_browser(request, name or "")
    return f"{name}{_BETWEEN}{browser}" if browser else name


def known_browser(request: HttpRequest, username: str) -> str:
    """The id of the browser if the user has signed in with it before; otherwise an empty string."""
    cookie = _cookie_of(request)
    return cookie["id"] if _tag(username) in cookie["users"] else ""


def browser_remember(*, request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Add the user, who has just signed in, to the cookie of the browser."""
    cookie = _cookie_of(request)
    others = [tag for tag in cookie["users"] if tag != _tag(username)]
    cookie["users"] = [*others, _tag(username)][-_MOST_USERS:]
    response.set_cookie(
        COOKIE,
        signing.dumps(cookie, salt=_SALT),
        max_age=_KEPT,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def attempts_forget(*, username: str) -> None:
    """Remove the locks of a name for all browsers."""
    AccessAttempt.objects.filter(
        Q(username=username) | Q(username__startswith=f"{username}{_BETWEEN}")
    ).delete()


def _cookie_of(request: HttpRequest) -> dict[str, Any]:
    try:
        return signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_KEPT)
    except signing.BadSignature:
        return {"id": secrets.token_urlsafe(16), "users": []}


def _tag(username: str) -> str:
    """A hash that stands for the user in the cookie, so that the cookie does not contain names."""
    return salted_hmac(_SALT, username).hexdigest()[:16]
