"""Faces, decisions and the inputs of detect, verify, identify and embed.

`recognition.people.payloads` builds the answers, for websockets, too. The output classes here only
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
PICTURE_HELP = "JPEG, PNG, WebP and others. The file size and the number of pixels are limited."


@extend_schema_field({"type": "string", "pattern": _FACE})
class FaceChoiceField(serializers.Field):
    """A `FaceChoice`: `largest`, `central`, or a box like that of `region`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, data: object) -> FaceChoice:
        if data == "largest" or data == "central":
            return FaceChoice(data)
        if not (isinstance(data, str) and re.fullmatch(_FACE, data)):
            raise serializers.ValidationError("Send largest, central, or x,y,width,height.")
        x, y, width, height = map(float, data.split(","))
        return FaceChoice("box", (x, y, x + width, y + height))

    def to_representation(self, value: FaceChoice) -> str:
        return value.kind


FACE_HELP = (
    "Which face to use: `largest`, `central`, or `x,y,width,height` in pixels of the upright "
    "picture: a box whose centre is in the face. Without it, a picture of several people is "
    "refused."
)


class _Picture(serializers.Serializer):
    image = PictureField(help_text=PICTURE_HELP)


class _WantedFaces(serializers.Serializer):
    """Options for which faces to find. The validated data have them as `wanted`."""

    min_face_px = serializers.IntegerField(
        required=False,
        min_value=20,
        max_value=1000,
        help_text="Smallest face to find: the shorter side of its box.",
    )
    max_face_px = serializers.IntegerField(
        required=False,
        min_value=20,
        max_value=100_000,
        help_text="Largest face to find: the shorter side of its box.",
    )
    score_threshold = serializers.FloatField(
        required=False, min_value=0.1, max_value=1, help_text="Lowest score of the detector."
    )
    max_faces = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Return at most this many faces, the largest ones; all if missing.",
    )
    region = serializers.RegexField(
        _REGION,
        required=False,
        help_text="`x,y,width,height` in pixels of the upright picture: find faces only there.",
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
        required=False, help_text="Optional if the caller sees only one."
    )
    model = serializers.CharField(
        required=False,
        max_length=80,
        help_text="Name or version of one of the collection's two models. The one in force if it "
        "is left out.",
    )
    max_candidates = serializers.IntegerField(default=5, min_value=1, max_value=100)
    threshold = serializers.FloatField(
        required=False,
        min_value=-1,
        max_value=1,
        help_text="Instead of the collection's threshold.",
    )


class IdentifyInput(_Picture, IdentifyOptions):
    """One picture with any number of faces."""


class EmbedOptions(serializers.Serializer):
    embedder = serializers.ChoiceField(choices=EMBEDDERS, required=False)


class EmbedInput(_Picture, EmbedOptions):
    """One picture. All its faces are embedded."""


class VerifyOptions(serializers.Serializer):
    face = FaceChoiceField(help_text=FACE_HELP)
    other_face = FaceChoiceField(help_text="The same for `other_image`.")
    person = serializers.UUIDField(required=False, help_text="Compare with this person's images.")
    embedder = serializers.ChoiceField(
        choices=EMBEDDERS,
        required=False,
        help_text="Only for two pictures. A person is compared by the model of their collection.",
    )
    threshold = serializers.FloatField(
        required=False, min_value=-1, max_value=1, help_text="Instead of the default threshold."
    )


class VerifyInput(_Picture, VerifyOptions):
    """A picture, and either a second one or a person."""

    other_image = PictureField(required=False, help_text="The second picture.")

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        if ("other_image" in attrs) == ("person" in attrs):
            raise serializers.ValidationError("Send either `other_image` or `person`.")
        if "person" in attrs and "other_face" in attrs:
            raise serializers.ValidationError("`other_face` can only be used with `other_image`.")
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
        required=False, help_text="Number of these pixels that show real detail."
    )
    sharpness = serializers.FloatField()
    noise = serializers.FloatField(
        required=False, help_text="Grain, relative to the contrast of the face."
    )
    blocking = serializers.FloatField(
        required=False,
        help_text="Edges of compression blocks, relative to the contrast of the face.",
    )
    brightness = serializers.FloatField(help_text="Mean, 0 to 255")
    yaw = serializers.FloatField(help_text="Degrees")
    pitch = serializers.FloatField(help_text="Degrees")
    roll = serializers.FloatField(help_text="Degrees")
    detection = serializers.FloatField(required=False, help_text="Score of the detector.")
    covered = serializers.FloatField(
        required=False, help_text="0 to 1: 1 if the eyes or the mouth cannot be seen."
    )
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="Problems, worst first; empty if there is none."
    )


class FaceSerializer(serializers.Serializer):
    box = _pair("x, y, width, height in pixels of the upright picture", 4)
    landmarks = serializers.ListField(
        child=_pair("x, y"),
        min_length=5,
        max_length=5,
        help_text="Left eye, right eye, nose, left and right corner of the mouth. Left and right "
        "are those of the picture.",
    )
    score = serializers.FloatField(help_text="Score of the detector.")
    turned = serializers.IntegerField(
        help_text="Degrees clockwise (0, 90, 180 or 270) by which the picture must be turned to "
        "make the face upright. If a photo has no certain face, it is also searched turned."
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
    similarity = serializers.FloatField(allow_null=True, help_text="Null if nobody is enrolled.")
    threshold = serializers.FloatField(help_text="Threshold used for this answer.")
    false_match_rate = serializers.FloatField(
        allow_null=True, help_text="How often one comparison of strangers reaches this similarity."
    )


class IdentifiedFaceSerializer(FaceSerializer, _DecisionFields):
    person = PersonReferenceSerializer(allow_null=True)
    image = serializers.UUIDField(allow_null=True, help_text="The enrolled image that matched.")
    candidates = CandidateSerializer(many=True)


class EmbeddedFaceSerializer(FaceSerializer):
    embedding = serializers.ListField(
        child=serializers.FloatField(), help_text="A vector of length 1."
    )


class _Answer(serializers.Serializer):
    size = _pair("Width and height of the upright picture.")
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
    face = FaceSerializer(help_text="The face in `image` that was compared.")
    other_face = FaceSerializer(
        allow_null=True, help_text="The face in `other_image` that was compared."
    )
    image = serializers.UUIDField(allow_null=True, help_text="The person's most similar image.")
