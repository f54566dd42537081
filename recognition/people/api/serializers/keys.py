from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from rest_framework import serializers

from accounts.access import Scope
from accounts.models import ApiKey
from accounts.names import validate_visible


class KeyInput(serializers.Serializer):
    name = serializers.CharField(max_length=100, validators=[validate_visible])
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False, max_length=20
    )
    collection = serializers.UUIDField(
        required=False, allow_null=True, help_text="Limit the key to one collection."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time is in the past.")
        return value


class KeySerializer(serializers.ModelSerializer):
    """A key without its secret, which cannot be read again."""

    collection = serializers.UUIDField(source="collection_id", allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    made_by = serializers.UUIDField(
        source="made_by_id", allow_null=True, help_text="The key that made it."
    )

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "collection",
            "made_by",
            "created_at",
            "expires_at",
            "last_used_at",
            "is_active",
        )
        read_only_fields = fields


class NewKeySerializer(KeySerializer):
    secret = serializers.CharField(help_text="Shown only once.")

    class Meta(KeySerializer.Meta):
        fields = (*KeySerializer.Meta.fields, "secret")
        read_only_fields = fields


class MeSerializer(serializers.Serializer):
    """The caller, as the server sees it."""

    kind = serializers.ChoiceField(choices=["user", "key"])
    name = serializers.CharField()
    role = serializers.CharField(allow_null=True, help_text="The role of a user; null for a key.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    collection = serializers.UUIDField(
        allow_null=True, help_text="The collection that a key is limited to."
    )
    expires_at = serializers.DateTimeField(allow_null=True)
