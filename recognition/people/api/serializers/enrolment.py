"""The input and the answer of enrolling one face."""

from __future__ import annotations

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.people.api.serializers.faces import FACE_HELP, PICTURE_HELP, FaceChoiceField
from recognition.people.api.serializers.persons import OutcomeSerializer, PersonSerializer
from recognition.web.api.pictures import PictureField
from recognition.web.boundaries import CheckedFields


class WhoInput(serializers.Serializer):
    """Whom a face belongs to: a person who is enrolled already, or a new one."""

    person = serializers.UUIDField(required=False)
    name = serializers.CharField(required=False, max_length=200, validators=[validate_visible])

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        if ("person" in attrs) == ("name" in attrs):
            raise serializers.ValidationError("Send either `person` or `name`.")
        return attrs


class FaceEnrolOptions(WhoInput):
    collection = serializers.UUIDField(
        required=False, help_text="May be left out where the caller sees only one."
    )
    face = FaceChoiceField(help_text=FACE_HELP)


class FaceEnrolInput(FaceEnrolOptions):
    """A picture, and whom one of its faces belongs to."""

    image = PictureField(help_text=PICTURE_HELP)


class EnrolledFaceSerializer(serializers.Serializer):
    person = PersonSerializer()
    outcome = OutcomeSerializer()
