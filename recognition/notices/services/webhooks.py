"""Add, change, test, switch off and remove webhooks."""

from __future__ import annotations

import logging
from typing import TypedDict, Unpack
from uuid import UUID

from accounts.access import Access
from accounts.audit import SYSTEM, Actor, record
from recognition.notices.addresses import UrlRefused, checked_url
from recognition.notices.models import Delivery, Receiver, Webhook
from recognition.notices.payloads import TEST_KIND
from recognition.web.errors import ServiceError, not_found
from recognition.web.identifiers import uuid7
from recognition.web.leases import DatabaseTime
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

SINK = "webhook"


class WebhookValues(TypedDict, total=False):
    url: str
    collection_id: UUID | None
    kinds: list[str]
    is_enabled: bool


def webhook_create(*, actor: Actor, access: Access, **values: Unpack[WebhookValues]) -> Webhook:
    """Make a webhook. It ends with the caller's key, if there is one. Its `secret` must be shown to
    the user only once. ServiceError (400) if a webhook may not have this URL."""
    _refuse_bad_url(values["url"])

    def create() -> Webhook:
        pk = uuid7()
        receiver = Receiver.objects.create(sink=SINK, key=str(pk))
        key = access.key
        user = key.created_by if key else access.user
        hook = Webhook.objects.create(
            pk=pk, receiver=receiver, created_by=user, made_by=key, **values
        )
        if not hook.is_enabled:
            _hold(hook)
        record(actor, "webhook.create", hook, collection_id=hook.collection_id,
               host=checked_url(hook.url).host)  # fmt: skip
        return hook

    return in_transaction(create)


def webhook_update(
    *, webhook: Webhook, actor: Actor, access: Access, **changes: Unpack[WebhookValues]
) -> Webhook:
    """Change a webhook. If it is switched on or gets another URL, its failures are forgotten and
    waiting deliveries are due at once. If it is switched on, or sends something else or elsewhere
    than before, it ends with the caller's key. Same errors as `webhook_create`; `not_found` if it
    was deleted."""
    if "url" in changes:
        _refuse_bad_url(changes["url"])

    def update() -> Webhook:
        row = _locked(webhook)
        before, target = (row.url, row.is_enabled), _target(row)
        for name, value in changes.items():
            setattr(row, name, value)
        if row.is_enabled:
            row.off_reason = ""
        if row.is_enabled and _target(row) != target:
            row.made_by = access.key
        row.save()
        if not row.is_enabled:
            _hold(row)
        elif (row.url, row.is_enabled) != before:
            _begin_anew(row)
        collection = row.collection_id
        record(actor, "webhook.update", row, collection_id=collection, changed=sorted(changes))
        return row

    return in_transaction(update)


def webhook_delete(*, webhook: Webhook, actor: Actor) -> None:
    """Delete a webhook, its log, and its waiting deliveries."""

    def delete() -> None:
        row = _locked(webhook)
        record(actor, "webhook.delete", row, collection_id=row.collection_id)
        # The webhook and the deliveries point to it.
        row.receiver.delete()

    in_transaction(delete)


def webhook_test(*, webhook: Webhook, actor: Actor) -> Delivery:
    """Send a message of the kind `webhook.test`. It is tried only once, and also while the receiver
    is failing. The log of the delivery shows the result. ServiceError (409) if the webhook is
    switched off."""

    def queue() -> Delivery:
        row = _locked(webhook)
        if not row.is_enabled:
            message = "The webhook is switched off: switch it on first."
            raise ServiceError("webhook_off", message, status=409)
        delivery = Delivery.objects.create(kind=TEST_KIND, receiver_id=row.receiver_id)
        Receiver.objects.filter(pk=row.receiver_id).update(next_at=DatabaseTime())
        record(actor, "webhook.test", row, collection_id=row.collection_id)
        delivery.refresh_from_db()
        return delivery

    return in_transaction(queue)


def webhook_switch_off(*, webhook: Webhook, reason: str) -> None:
    """Called by the relay, in its transaction."""
    webhook.is_enabled, webhook.off_reason = False, reason[:200]
    webhook.save(update_fields=["is_enabled", "off_reason"])
    _hold(webhook)
    collection = webhook.collection_id
    record(SYSTEM, "webhook.off", webhook, collection_id=collection, reason=webhook.off_reason)
    logger.warning("webhook %s was switched off: %s", webhook.pk, webhook.off_reason)


def _locked(webhook: Webhook) -> Webhook:
    """The present row of the webhook. Its receiver is locked first, as the relay does."""
    receivers = Receiver.objects.select_for_update().filter(pk=webhook.receiver_id)
    if not receivers.exists():
        raise not_found("webhook")
    return Webhook.objects.get(pk=webhook.pk)


def _target(hook: Webhook) -> tuple[object, ...]:
    """What it sends, and where."""
    return (hook.is_enabled, hook.url, hook.collection_id, sorted(hook.kinds))


def _hold(hook: Webhook) -> None:
    Receiver.objects.filter(pk=hook.receiver_id).update(next_at=None)


def _begin_anew(hook: Webhook) -> None:
    now = DatabaseTime()
    receivers = Receiver.objects.filter(pk=hook.receiver_id)
    receivers.update(next_at=now, failures=0, failing_since=None)
    pending = Delivery.objects.filter(receiver=hook.receiver_id, state=Delivery.State.PENDING)
    pending.update(next_at=now)


def _refuse_bad_url(url: str) -> None:
    try:
        checked_url(url)
    except UrlRefused as refused:
        raise ServiceError(refused.code, refused.message) from refused
