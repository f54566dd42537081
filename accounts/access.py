"""Who may do what. People have scopes through their role, programs through their API key.

An `Access` says who calls and with which scopes. REST, websockets, pages and the admin build one
for a caller and ask it, so each rule is written only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import TextChoices

if TYPE_CHECKING:
    from accounts.models import ApiKey, User


class Scope(TextChoices):
    DETECT = "detect", "Find faces in pictures"
    VERIFY = "verify", "Compare two faces"
    IDENTIFY = "identify", "Name faces, read people, embed, watch live"
    ENROL = "enrol", "Add, change, merge and erase people and their images"
    EVENTS = "events", "Read events and their pictures"
    MANAGE = "manage", "Collections, cameras, keys, users"


class Role(TextChoices):
    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMINISTRATOR = "administrator", "Administrator"


_VIEWER = frozenset({Scope.DETECT, Scope.VERIFY, Scope.IDENTIFY, Scope.EVENTS})
ROLE_SCOPES: dict[str, frozenset[str]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _VIEWER | {Scope.ENROL},
    Role.ADMINISTRATOR: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Access:
    """A caller. `collection_id` limits an API key to one collection; None means all collections."""

    user: User | None = None
    key: ApiKey | None = None
    scopes: frozenset[str] = frozenset()
    collection_id: str | None = None

    @property
    def is_signed_in(self) -> bool:
        return self.user is not None or self.key is not None

    @property
    def name(self) -> str:
        """The caller's name in the audit log and for rate limits."""
        if self.key is not None:
            return f"key:{self.key.prefix}"
        return f"user:{self.user.username}" if self.user is not None else "anonymous"

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def may_use_collection(self, collection_id: object) -> bool:
        return self.collection_id is None or str(collection_id) == self.collection_id


NOBODY = Access()


def access_of_user(user: object) -> Access:
    """The access of a signed-in, active user; otherwise NOBODY."""
    if not getattr(user, "is_authenticated", False) or not getattr(user, "is_active", False):
        return NOBODY
    return Access(user=user, scopes=user.scopes)  # type: ignore[arg-type, attr-defined]


def access_of_key(key: ApiKey) -> Access:
    collection = str(key.collection_id) if key.collection_id else None
    return Access(key=key, scopes=key.scopes_now, collection_id=collection)


def access_of(request: object) -> Access:
    """The access of the caller of a DRF or Django request."""
    from accounts.models import ApiKey

    auth = getattr(request, "auth", None)
    if isinstance(auth, ApiKey):
        return access_of_key(auth)
    return access_of_user(getattr(request, "user", None))
