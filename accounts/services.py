"""Issue, change and revoke API keys, with an entry in the audit log.

A key can make other keys. Such a key never has more rights than its maker and never lives longer.
This holds along the whole chain of makers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.core.exceptions import PermissionDenied
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
    maker: ApiKey | None = None,
    actor: Actor,
) -> tuple[ApiKey, str]:
    """Make a key. Returns it with its secret, which is not stored. ValueError for an unknown scope.

    maker: the key that makes the new one, if no user does. The new key ends with its maker and
    belongs to the maker's user. PermissionDenied if the new key would have more rights or live
    longer than the maker, or if the maker is no longer valid.
    """
    if maker is not None:
        # Lock the maker, so that it cannot be revoked or shortened before the new key is stored.
        maker = _locked(maker)
        expires_at = expires_at or maker.expires_at
        user = maker.created_by
        if not maker.is_valid or not _is_within(maker, scopes, collection_id, expires_at):
            raise PermissionDenied
    key, secret = ApiKey.issue(
        name=name,
        scopes=list(scopes),
        collection_id=collection_id,
        expires_at=expires_at,
        created_by=user,
        made_by=maker,
    )
    record(actor, "key.issue", key, collection_id=key.collection_id, scopes=key.scopes)
    return key, secret


@transaction.atomic
def key_update(*, key: ApiKey, actor: Actor, **changes: object) -> None:
    """Change the name or expiry of a key. Its scopes and collection never change."""
    _locked(key)
    for name, value in changes.items():
        setattr(key, name, value)
    key.save(update_fields=list(changes))
    record(actor, "key.update", key, collection_id=key.collection_id, changed=sorted(changes))
    if key.expires_at is None or "expires_at" not in changes:
        return
    for made in _made_by(key):
        if made.expires_at is None or made.expires_at > key.expires_at:
            made.expires_at = key.expires_at
            made.save(update_fields=["expires_at"])
            record(actor, "key.update", made, collection_id=made.collection_id,
                   changed=["expires_at"], made_by=str(key.pk))  # fmt: skip


@transaction.atomic
def key_revoke(*, key: ApiKey, actor: Actor) -> None:
    """Revoke a key, and all keys that it made, for good. The rows stay, because the audit log
    refers to them."""
    _locked(key)
    key.is_active = False
    key.save(update_fields=["is_active"])
    record(actor, "key.revoke", key, collection_id=key.collection_id)
    for made in _made_by(key):
        made.is_active = False
        made.save(update_fields=["is_active"])
        record(actor, "key.revoke", made, collection_id=made.collection_id, made_by=str(key.pk))


def _locked(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_for_update().get(pk=key.pk)


def _made_by(key: ApiKey) -> Iterator[ApiKey]:
    """All active keys that `key` made, directly or through other keys."""
    for made in key.made.select_for_update().filter(is_active=True):
        yield made
        yield from _made_by(made)


def _is_within(
    maker: ApiKey,
    scopes: Iterable[str],
    collection_id: UUID | str | None,
    expires_at: datetime | None,
) -> bool:
    is_shorter = maker.expires_at is None or (expires_at or maker.expires_at) <= maker.expires_at
    is_inside = maker.collection_id is None or str(collection_id) == str(maker.collection_id)
    return is_shorter and is_inside and set(scopes) <= maker.scopes_now
