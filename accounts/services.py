"""API keys: issued and revoked, with an entry in the audit log.

A key that a key made neither exceeds nor outlives it, however many keys lie between.
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
    """A new key with its secret, which cannot be read again. ValueError for an unknown scope.

    maker: the key that makes it, if no user does: the new key ends with it and has its user.
    PermissionDenied if the new key would exceed or outlive it, or if it is not valid any more.
    """
    if maker is not None:
        # Locked: it must not be revoked, or get an earlier end, before its new key is there.
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
    """Its name and its expiry; what a key may do is settled when it is made."""
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
    """Switch a key off for good, with the keys that it made; they stay in the list, so that the
    audit log can be read."""
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
    """The active keys that it made, and those that they made."""
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
