from __future__ import annotations

from datetime import datetime

from rest_framework import serializers

from recognition.notices.addresses import LONGEST_URL
from recognition.notices.models import Attempt, Delivery, Webhook
from recognition.notices.payloads import NOTICE_KINDS


class WebhookInput(serializers.Serializer):
    url = serializers.CharField(max_length=LONGEST_URL, help_text="https:// or http://")
    collection = serializers.UUIDField(
        source="collection_id",
        required=False,
        allow_null=True,
        help_text="Send only notices of this collection.",
    )
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=NOTICE_KINDS),
        required=False,
        max_length=len(NOTICE_KINDS),
        help_text="The notices to send; if empty, all.",
    )
    is_enabled = serializers.BooleanField(required=False)


class WebhookSerializer(serializers.ModelSerializer):
    """A webhook without its secret."""

    collection = serializers.UUIDField(source="collection_id", allow_null=True)
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=NOTICE_KINDS))
    off_reason = serializers.CharField(help_text="Why the server switched it off; usually empty.")
    failures = serializers.IntegerField(
        source="receiver.failures", help_text="Failed attempts since the last success."
    )
    failing_since = serializers.DateTimeField(source="receiver.failing_since", allow_null=True)

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = (
            "id",
            "url",
            "collection",
            "kinds",
            "is_enabled",
            "off_reason",
            "failures",
            "failing_since",
            "created_at",
        )
        read_only_fields = fields


class NewWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="For checking signatures. Shown only once.")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer):
    status = serializers.IntegerField(allow_null=True, help_text="HTTP status of the answer.")
    error = serializers.CharField(help_text="A code; empty for success.")

    class Meta:
        model = Attempt
        fields = ("number", "at", "status", "error", "message", "duration_ms")
        read_only_fields = fields


class DeliverySerializer(serializers.ModelSerializer):
    """A message to the webhook; `id` is its `webhook-id`."""

    next_attempt_at = serializers.SerializerMethodField()
    log = AttemptSerializer(many=True, help_text="The attempts, oldest first.")

    class Meta:
        model = Delivery
        fields = ("id", "kind", "state", "created_at", "next_attempt_at", "log")
        read_only_fields = fields

    def get_next_attempt_at(self, delivery: Delivery) -> datetime | None:
        return delivery.next_at if delivery.state == Delivery.State.PENDING else None
