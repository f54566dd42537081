"""The sink of webhooks: sends each notice as one signed POST."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from django.conf import settings

from recognition.notices.http_post import post
from recognition.notices.messages import check_message, message_of
from recognition.notices.models import Delivery, Notice, Receiver, Webhook
from recognition.notices.payloads import Message
from recognition.notices.services.webhooks import webhook_switch_off
from recognition.notices.signing import signed_headers
from recognition.notices.sinks.base import Outcome, RelayedSink

_HEADERS = {"content-type": "application/json", "user-agent": "Facerec"}
_ENDED = "The key that added it, or switched it on, is revoked or has expired."


class WebhookSink(RelayedSink):
    def receivers_of(self, notice: Notice) -> list[int]:
        hooks = Webhook.objects.filter(is_enabled=True)
        return [
            hook.receiver_id
            for hook in hooks.only("receiver_id", "collection_id", "kinds")
            if hook.wants(notice.kind, notice.collection_id)
        ]

    def send(
        self, receiver: Receiver, delivery: Delivery, *, may_send: Callable[[], bool]
    ) -> Outcome:
        hook = Webhook.objects.select_related("made_by__created_by").get(receiver=receiver)
        if hook.has_ended:
            return Outcome("key_ended", _ENDED, off_reason=_ENDED)
        body = json.dumps(_message(hook, delivery), separators=(",", ":")).encode()
        headers = signed_headers(
            hook.secret, message_id=str(delivery.pk), timestamp_s=int(time.time()), body=body
        )
        limit_s = settings.WEBHOOK_LIMIT_S
        return post(hook.url, body, headers | _HEADERS, limit_s=limit_s, may_send=may_send)

    def switch_off(self, receiver: Receiver, reason: str) -> None:
        webhook_switch_off(webhook=Webhook.objects.get(receiver=receiver), reason=reason)


def _message(hook: Webhook, delivery: Delivery) -> Message:
    return check_message(hook.pk) if delivery.notice is None else message_of(delivery.notice)
