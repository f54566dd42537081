"""Rows of the outbox for tests."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.access import NOBODY, Access
from accounts.audit import Actor
from recognition.notices.courier import serve_receiver
from recognition.notices.models import Delivery, Receiver, Webhook
from recognition.notices.payloads import NoticeKind, PageKind
from recognition.notices.services.notices import notice_write
from recognition.notices.services.webhooks import webhook_create
from recognition.web.leases import DatabaseTime

ACTOR = Actor("user:tester")


def make_webhook(
    url: str = "https://hook.example/", access: Access = NOBODY, **values: Any
) -> Webhook:
    return webhook_create(actor=ACTOR, access=access, url=url, **values)


def tell(
    kind: NoticeKind | PageKind = "person.erased",
    *,
    subject: UUID | None = None,
    collection: UUID | None = None,
    **related: list[UUID],
) -> None:
    """Write a notice. The default is about a subject that needs no row."""
    with transaction.atomic():
        notice_write(kind, subject_id=subject or uuid4(), collection_id=collection, related=related)


def serve(hook: Webhook) -> None:
    """Send what is due for the webhook's receiver, like a courier of the relay."""
    serve_receiver(hook.receiver_id, threading.Event())


def make_due(hook: Webhook) -> None:
    """End the pauses after a failure."""
    now = DatabaseTime()
    Receiver.objects.filter(pk=hook.receiver_id).update(next_at=now)
    Delivery.objects.filter(receiver=hook.receiver_id).update(next_at=now)


def only_delivery(hook: Webhook) -> Delivery:
    return Delivery.objects.get(receiver=hook.receiver_id)


def errors_of(delivery: Delivery) -> list[str]:
    return [attempt.error for attempt in delivery.log.all()]
