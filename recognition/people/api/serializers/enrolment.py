"""The input and the answer of enrolling one face."""

from __future__ import annotations

from rest_framework import serializers

from recognition.people.api.serializers.faces import PICTURE_HELP, REGION
from recognition.people.api.serializers.persons import OutcomeSerializer, PersonSerializer
from recognition.web.api.pictures import PictureField
from recognition.web.boundaries import CheckedFields


class WhoInput(serializers.Serializer):
    """Whom a face belongs to: a person who is enrolled already, or a new one."""

    person = serializers.UUIDField(required=False)
    name = serializers.CharField(required=False, max_length=200)

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        if ("person" in attrs) == ("name" in attrs):
            raise serializers.ValidationError("Send either `person` or `name`.")
        return attrs


class FaceEnrolOptions(WhoInput):
    collection = serializers.UUIDField(
        required=False, help_text="May be left out where the caller sees only one."
    )
    face = serializers.RegexField(
        REGION,
        required=False,
        help_text="Which face: `x,y,width,height` in pixels of the upright picture, such as the "
        "box that `detect` gave. Without it the picture must show one person.",
    )


class FaceEnrolInput(FaceEnrolOptions):
    """A picture, and whom one of its faces belongs to."""

    image = PictureField(help_text=PICTURE_HELP)


class EnrolledFaceSerializer(serializers.Serializer):
    person = PersonSerializer()
    outcome = OutcomeSerializer()
