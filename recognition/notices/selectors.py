"""Reads of webhooks and their log, limited to what a caller may see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.access import Access
from recognition.notices.models import Delivery, Receiver, Webhook
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


def receivers_by_state() -> dict[tuple[str, str], int]:
    """How many receivers of each sink are `ok`, `failing` or `off`."""
    rows = Receiver.objects.values_list("sink", "next_at", "failures")
    return Counter(
        (sink, "off" if next_at is None else "failing" if failures else "ok")
        for sink, next_at, failures in rows
    )


@dataclass(frozen=True, slots=True)
class WaitingDeliveries:
    """late_s: since the oldest one was due; 0 if all of them wait for their time."""

    sink: str
    count: int
    late_s: float


def waiting_deliveries() -> list[WaitingDeliveries]:
    """Of receivers that are switched on."""
    rows = Delivery.objects.filter(state=Delivery.State.PENDING, receiver__next_at__isnull=False)
    counted = rows.order_by().values_list("receiver__sink").annotate(Count("pk"), Min("next_at"))
    now = timezone.now()
    return [
        WaitingDeliveries(sink, count, max(0.0, (now - due).total_seconds()))
        for sink, count, due in counted
    ]
