"""Reads of webhooks and their log, limited to what a caller may see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.module_loading import import_string

from accounts.access import Access
from recognition.notices.models import Delivery, Webhook
from recognition.web.visible import limited, one

# By name, because this app must not import people, which is a layer above.
COLLECTIONS = "recognition.people.selectors.collections_visible"


def webhooks_visible(access: Access) -> QuerySet[Webhook]:
    """A key that is limited to one collection sees only the webhooks of that collection."""
    return limited(Webhook.objects.prefetch_related("receiver"), access)


def webhook_by_id(access: Access, webhook_id: UUID) -> Webhook:
    return one(webhooks_visible(access), webhook_id, "webhook")


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    return Delivery.objects.filter(receiver=webhook.receiver_id).prefetch_related("log")


def collections_visible(access: Access) -> QuerySet[Any]:
    """The collections that the caller sees; rows with `pk` and `name`."""
    return import_string(COLLECTIONS)(access)


def collection_limit(access: Access, collection_id: UUID | None) -> UUID | None:
    """The collection to limit a webhook to. A key that is limited to one collection can only make
    webhooks of that one. `not_found` for a collection that the caller does not see."""
    if collection_id is None:
        return UUID(access.collection_id) if access.collection_id else None
    return one(collections_visible(access), collection_id, "collection").pk
