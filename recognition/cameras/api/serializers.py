from __future__ import annotations

from base64 import b64encode

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.cameras.models import Camera, CameraMinute
from recognition.cameras.services.trials import Trial
from recognition.cameras.sources import address_help
from recognition.web.boundaries import FieldOptions

# Never answered; `has_credentials` says whether there is one.
_SECRET: FieldOptions = {
    "write_only": True,
    "max_length": 100,
    "trim_whitespace": False,
    "style": {"input_type": "password"},
}


class CameraInput(serializers.ModelSerializer):
    collection = serializers.UUIDField(required=False)
    model = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=80,
        help_text="Which of the collection's two models it is recognised with: a name or a "
        "version. Null: the one in force.",
    )

    class Meta:
        model = Camera
        fields = (
            "collection",
            "name",
            "model",
            "kind",
            "address",
            "username",
            "password",
            "node",
            "max_fps",
            "min_face_px",
            "loops",
            "clip_before_s",
            "clip_after_s",
            "answers",
            "areas",
            "is_enabled",
        )
        # The service says it, as 409: it knows of a name that was taken a moment ago.
        extra_kwargs: dict[str, FieldOptions] = {
            "name": {"validators": [validate_visible]},
            "address": {"help_text": address_help()},
            "username": _SECRET,
            "password": _SECRET,
        }


class CameraTestInput(serializers.ModelSerializer):
    camera = serializers.UUIDField(
        required=False, help_text="A camera whose stored values count for what is left out."
    )

    class Meta:
        model = Camera
        fields = ("camera", "kind", "address", "username", "password", "node")
        extra_kwargs: dict[str, FieldOptions] = {
            "address": {"help_text": address_help()},
            "username": _SECRET,
            "password": _SECRET,
        }


class CameraTestSerializer(serializers.Serializer):
    is_playable = serializers.SerializerMethodField()
    message = serializers.CharField(help_text="Why there is no picture; empty if there is one.")
    picture = serializers.SerializerMethodField(help_text="A JPEG in base64, or null.")
    size = serializers.ListField(
        child=serializers.IntegerField(),
        allow_null=True,
        help_text="Width and height of the camera's pictures.",
    )
    took_ms = serializers.IntegerField(help_text="Until the first picture, or the failure.")

    def get_is_playable(self, trial: Trial) -> bool:
        return bool(trial.jpeg)

    def get_picture(self, trial: Trial) -> str | None:
        return b64encode(trial.jpeg).decode() if trial.jpeg else None


class CameraSerializer(serializers.ModelSerializer):
    model = serializers.CharField(
        source="model.version",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="The version of the collection's two models that it is recognised with. Null: "
        "the one in force.",
    )
    has_credentials = serializers.SerializerMethodField(
        help_text="Whether a user name or a password is stored."
    )

    class Meta:
        model = Camera
        fields = (
            "id",
            "collection",
            "name",
            "model",
            "kind",
            "address",
            "has_credentials",
            "node",
            "max_fps",
            "min_face_px",
            "loops",
            "clip_before_s",
            "clip_after_s",
            "answers",
            "areas",
            "is_enabled",
            "status",
            "status_message",
            "status_since",
            "created_at",
        )
        read_only_fields = fields

    def get_has_credentials(self, camera: Camera) -> bool:
        return bool(camera.username or camera.password)


class SenderSerializer(serializers.Serializer):
    kind = serializers.CharField(help_text="The kind of camera to add for it.")
    node = serializers.CharField(help_text="The machine that it sends to.")
    name = serializers.CharField(help_text="The address of that camera.")
    frames = serializers.IntegerField(help_text="How many frames came.")


class SendersSerializer(serializers.Serializer):
    senders = SenderSerializer(many=True)


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
