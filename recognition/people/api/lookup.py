"""The collection that a request means."""

from __future__ import annotations

from uuid import UUID

from accounts.access import Access
from recognition.people import selectors
from recognition.people.models import Collection
from recognition.web.errors import ServiceError


def collection_or_only(access: Access, collection_id: UUID | None) -> Collection:
    """The named collection, or the only one that the caller sees."""
    if collection_id is not None:
        return selectors.collection_by_id(access, collection_id)
    visible = list(selectors.collections_visible(access)[:2])
    if len(visible) != 1:
        raise ServiceError("collection_required", "Say which collection.", collections=len(visible))
    return visible[0]


def refuse_limited_key(access: Access) -> None:
    """403 for a key of one collection, in operations that reach beyond it."""
    if access.collection_id is not None:
        message = "This key is limited to its collection."
        raise ServiceError("permission_denied", message, status=403)
