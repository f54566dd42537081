"""The present rights of a caller: a websocket may stay open longer than its key or session is
valid."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

from django.conf import settings
from django.contrib.auth import get_user

from accounts.access import NOBODY, Access, access_of_key, access_of_user
from accounts.models import ApiKey, User
from accounts.threads import in_database_thread
from recognition.web.boundaries import AsgiDict


@in_database_thread
def access_now(scope: AsgiDict) -> Access:
    """The access of the caller who opened the socket, by the present rows of the database."""
    access: Access = scope["access"]
    if access.key is not None:
        key = ApiKey.objects.select_related("created_by").filter(pk=access.key.pk).first()
        return access_of_key(key) if key is not None and key.is_valid else NOBODY
    if access.user is None:
        return NOBODY
    session = scope.get("session")
    if session is None:
        return access_of_user(User.objects.filter(pk=access.user.pk).first())
    # Not the session of the scope, which was read once: signing out deletes the session, and a new
    # password makes it void.
    store = import_module(settings.SESSION_ENGINE).SessionStore(session.session_key)
    return access_of_user(get_user(SimpleNamespace(session=store)))  # type: ignore[arg-type]
