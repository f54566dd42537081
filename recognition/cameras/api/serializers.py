from __future__ import annotations

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.cameras.models import Camera
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
            "answers",
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
            "answers",
            "is_enabled",
            "status",
            "status_message",
            "created_at",
        )
        read_only_fields = fields
