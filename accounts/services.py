"""API keys: issued and revoked, with an entry in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.audit import Actor, record
from accounts.models import ApiKey, User


@transaction.atomic
def key_issue(
    *,
    name: str,
    scopes: Iterable[str],
    collection_id: UUID | str | None = None,
    expires_at: datetime | None = None,
    user: User | None = None,
    actor: Actor,
) -> tuple[ApiKey, str]:
    """A new key with its secret, which cannot be read again. ValueError for an unknown scope."""
    key, secret = ApiKey.issue(
        name=name,
        scopes=list(scopes),
        collection_id=collection_id,
        expires_at=expires_at,
        created_by=user,
    )
    record(actor, "key.issue", key, collection_id=key.collection_id, scopes=key.scopes)
    return key, secret


@transaction.atomic
def key_update(*, key: ApiKey, actor: Actor, **changes: object) -> None:
    """Its name and its expiry; what a key may do is settled when it is made."""
    for name, value in changes.items():
        setattr(key, name, value)
    key.save(update_fields=list(changes))
    record(actor, "key.update", key, collection_id=key.collection_id, changed=sorted(changes))


@transaction.atomic
def key_revoke(*, key: ApiKey, actor: Actor) -> None:
    """Switch a key off for good; it stays in the list, so that the audit log can be read."""
    key.is_active = False
    key.save(update_fields=["is_active"])
    record(actor, "key.revoke", key, collection_id=key.collection_id)
