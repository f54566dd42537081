"""Faces, decisions and the inputs of detect, verify, identify and embed.

Answers are built by `recognition.people.payloads`, which websockets share; the output classes here
document them.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_engine.request import Wanted
from ml_engine.zoo import presets_of
from recognition.people.decisions import Decision
from recognition.people.services.face_choice import FaceChoice
from recognition.web.api.pictures import PictureField
from recognition.web.boundaries import CheckedFields

_NUMBER = r"\d{1,6}(\.\d{1,3})?"
_REGION = rf"^-?{_NUMBER},-?{_NUMBER},{_NUMBER},{_NUMBER}$"
_FACE = rf"^(largest|central|{_REGION[1:-1]})$"
EMBEDDERS = [preset.name for preset in presets_of("embedder")]
PICTURE_HELP = "JPEG, PNG, WebP and others; largest side and size are limited."


@extend_schema_field({"type": "string", "pattern": _FACE})
class FaceChoiceField(serializers.Field):
    """`FaceChoice`: a word, or a box as for `region`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, data: object) -> FaceChoice:
        if data == "largest" or data == "central":
            return FaceChoice(data)
        if not (isinstance(data, str) and re.fullmatch(_FACE, data)):
            raise serializers.ValidationError("Say largest, central, or x,y,width,height.")
        x, y, width, height = map(float, data.split(","))
        return FaceChoice("box", (x, y, x + width, y + height))

    def to_representation(self, value: FaceChoice) -> str:
        return value.kind


FACE_HELP = (
    "Which face is meant: `largest`, `central`, or `x,y,width,height` in pixels of the upright "
    "picture, whose middle lies in the face. Without it a picture of several people is refused."
)


class _Picture(serializers.Serializer):
    image = PictureField(help_text=PICTURE_HELP)


class _WantedFaces(serializers.Serializer):
    """Which faces; `wanted` of the validated data."""

    min_face_px = serializers.IntegerField(
        required=False,
        min_value=20,
        max_value=1000,
        help_text="Smallest face looked for, as the shorter side of its box.",
    )
    max_face_px = serializers.IntegerField(
        required=False, min_value=20, max_value=100_000, help_text="The largest, likewise."
    )
    score_threshold = serializers.FloatField(
        required=False, min_value=0.1, max_value=1, help_text="Least score of the detector."
    )
    max_faces = serializers.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="The largest ones; empty: all."
    )
    region = serializers.RegexField(
        _REGION,
        required=False,
        help_text="`x,y,width,height` in pixels of the upright picture: look there alone.",
    )

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        attrs = super().validate(attrs)
        if "region" in attrs:
            x, y, width, height = map(float, attrs["region"].split(","))
            attrs["region"] = (x, y, x + width, y + height)
        names = {field.name for field in fields(Wanted)} & set(attrs)
        attrs["wanted"] = Wanted(**{name: attrs.pop(name) for name in names}, any_turn=True)
        return attrs


class DetectOptions(_WantedFaces):
    pass


class DetectInput(_Picture, DetectOptions):
    """One picture."""


class IdentifyOptions(_WantedFaces):
    collection = serializers.UUIDField(
        required=False, help_text="May be left out where the caller sees only one."
    )
    max_candidates = serializers.IntegerField(default=5, min_value=1, max_value=100)
    threshold = serializers.FloatField(
        required=False, min_value=-1, max_value=1, help_text="In place of the collection's own."
    )


class IdentifyInput(_Picture, IdentifyOptions):
    """One picture with any number of faces."""


class EmbedOptions(serializers.Serializer):
    embedder = serializers.ChoiceField(choices=EMBEDDERS, required=False)


class EmbedInput(_Picture, EmbedOptions):
    """One picture; every face of it is embedded."""


class VerifyOptions(serializers.Serializer):
    face = FaceChoiceField(help_text=FACE_HELP)
    other_face = FaceChoiceField(help_text="The same, of `other_image`.")
    person = serializers.UUIDField(required=False, help_text="Compare with this person's images.")
    embedder = serializers.ChoiceField(
        choices=EMBEDDERS, required=False, help_text="For two pictures; a person has their own."
    )
    threshold = serializers.FloatField(
        required=False, min_value=-1, max_value=1, help_text="In place of the default."
    )


class VerifyInput(_Picture, VerifyOptions):
    """A picture, and either a second one or a person."""

    other_image = PictureField(required=False, help_text="The second picture.")

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        if ("other_image" in attrs) == ("person" in attrs):
            raise serializers.ValidationError("Send either `other_image` or `person`.")
        if "person" in attrs and "other_face" in attrs:
            raise serializers.ValidationError("`other_face` is for `other_image`.")
        if "person" in attrs and "embedder" in attrs:
            raise serializers.ValidationError("A person is compared by their collection's model.")
        return attrs


def _pair(help_text: str, length: int = 2) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.FloatField(), min_length=length, max_length=length, help_text=help_text
    )


class QualitySerializer(serializers.Serializer):
    score = serializers.FloatField(help_text="0 to 1")
    size_px = serializers.FloatField(help_text="Shorter side of the box.")
    detail_px = serializers.FloatField(
        required=False, help_text="How many of these pixels show something of their own."
    )
    sharpness = serializers.FloatField()
    noise = serializers.FloatField(
        required=False, help_text="Grain, against the contrast of the face."
    )
    blocking = serializers.FloatField(
        required=False, help_text="Edges of compression blocks, likewise."
    )
    brightness = serializers.FloatField(help_text="Mean, 0 to 255")
    yaw = serializers.FloatField(help_text="Degrees")
    pitch = serializers.FloatField(help_text="Degrees")
    roll = serializers.FloatField(help_text="Degrees")
    detection = serializers.FloatField(required=False, help_text="The detector's score.")
    covered = serializers.FloatField(
        required=False, help_text="0 to 1: 1 if the eyes or the mouth cannot be seen."
    )
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="What is wrong, worst first; empty: nothing."
    )


class FaceSerializer(serializers.Serializer):
    box = _pair("x, y, width, height in pixels of the picture, upright", 4)
    landmarks = serializers.ListField(
        child=_pair("x, y"),
        min_length=5,
        max_length=5,
        help_text="Left eye, right eye, nose, left and right mouth corner, as seen.",
    )
    score = serializers.FloatField(help_text="The detector's.")
    turned = serializers.IntegerField(
        help_text="Degrees clockwise, 0, 90, 180 or 270, by which the picture must be turned for "
        "an upright face. A photo without a certain face is looked at turned as well."
    )
    quality = QualitySerializer(allow_null=True)


class NamedPersonSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())


class PersonReferenceSerializer(NamedPersonSerializer):
    external_id = serializers.CharField(allow_null=True)


class CandidateSerializer(serializers.Serializer):
    person = PersonReferenceSerializer()
    similarity = serializers.FloatField(help_text="Cosine, -1 to 1")
    image = serializers.UUIDField(allow_null=True, help_text="The image that matched best.")


class _DecisionFields(serializers.Serializer):
    decision = serializers.ChoiceField(choices=Decision.choices)
    similarity = serializers.FloatField(allow_null=True, help_text="Null: nobody is enrolled.")
    threshold = serializers.FloatField(help_text="In force for this answer.")
    false_match_rate = serializers.FloatField(
        allow_null=True, help_text="How often strangers reach this similarity in one comparison."
    )


class IdentifiedFaceSerializer(FaceSerializer, _DecisionFields):
    person = PersonReferenceSerializer(allow_null=True)
    image = serializers.UUIDField(allow_null=True, help_text="The enrolled image that matched.")
    candidates = CandidateSerializer(many=True)


class EmbeddedFaceSerializer(FaceSerializer):
    embedding = serializers.ListField(child=serializers.FloatField(), help_text="Of length 1.")


class _Answer(serializers.Serializer):
    size = _pair("Width and height of the picture, upright.")
    timing_ms = serializers.DictField(child=serializers.FloatField())


class DetectAnswerSerializer(_Answer):
    faces = FaceSerializer(many=True)


class IdentifyAnswerSerializer(_Answer):
    collection = serializers.UUIDField()
    model = serializers.CharField(help_text="The embedder.")
    threshold = serializers.FloatField()
    faces = IdentifiedFaceSerializer(many=True)


class EmbedAnswerSerializer(serializers.Serializer):
    model = serializers.CharField()
    dimension = serializers.IntegerField(allow_null=True)
    faces = EmbeddedFaceSerializer(many=True)


class VerifyAnswerSerializer(serializers.Serializer):
    decision = serializers.ChoiceField(choices=Decision.choices)
    similarity = serializers.FloatField()
    threshold = serializers.FloatField()
    false_match_rate = serializers.FloatField(allow_null=True)
    model = serializers.CharField()
    face = FaceSerializer(help_text="The face of `image` that was compared.")
    other_face = FaceSerializer(allow_null=True, help_text="That of `other_image`.")
    image = serializers.UUIDField(allow_null=True, help_text="The person's image that fits best.")
