from __future__ import annotations

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.cameras.models import Camera, CameraMinute
from recognition.cameras.sources import address_help
from recognition.web.boundaries import FieldOptions


class CameraInput(serializers.ModelSerializer):
    collection = serializers.UUIDField(required=False)

    class Meta:
        model = Camera
        fields = (
            "collection",
            "name",
            "kind",
            "address",
            "node",
            "max_fps",
            "min_face_px",
            "loops",
            "areas",
            "is_enabled",
        )
        # The service says it, as 409: it knows of a name that was taken a moment ago.
        extra_kwargs: dict[str, FieldOptions] = {
            "name": {"validators": [validate_visible]},
            "address": {"help_text": address_help()},
        }


class CameraSerializer(serializers.ModelSerializer):
    class Meta:
        model = Camera
        fields = (
            "id",
            "collection",
            "name",
            "kind",
            "address",
            "node",
            "max_fps",
            "min_face_px",
            "loops",
            "areas",
            "is_enabled",
            "status",
            "status_message",
            "status_since",
            "created_at",
        )
        read_only_fields = fields


class MinutesFilter(serializers.Serializer):
    since = serializers.DateTimeField(required=False, help_text="Written at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Written before this time.")


class PercentilesSerializer(serializers.Serializer):
    p50 = serializers.FloatField()
    p95 = serializers.FloatField()


class CameraMinuteSerializer(serializers.ModelSerializer):
    """About a minute until `at`. Stages: queue, decode, detect, align, embed, search, total."""

    timing_ms = serializers.DictField(child=PercentilesSerializer())

    class Meta:
        model = CameraMinute
        fields = ("at", "frames", "fps", "dropped", "timing_ms")
        read_only_fields = fields
