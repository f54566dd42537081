"""Input and answer of the enrolment of one face."""

from __future__ import annotations

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.people.api.serializers.faces import FACE_HELP, PICTURE_HELP, FaceChoiceField
from recognition.people.api.serializers.persons import OutcomeSerializer, PersonSerializer
from recognition.web.api.pictures import PictureField
from recognition.web.boundaries import CheckedFields


class WhoInput(serializers.Serializer):
    """The person of a face: an enrolled person, or a new one."""

    person = serializers.UUIDField(required=False)
    name = serializers.CharField(required=False, max_length=200, validators=[validate_visible])

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        if ("person" in attrs) == ("name" in attrs):
            raise serializers.ValidationError("Send either `person` or `name`.")
        return attrs


class FaceEnrolOptions(WhoInput):
    collection = serializers.UUIDField(
        required=False, help_text="Optional if the caller sees only one."
    )
    face = FaceChoiceField(help_text=FACE_HELP)


class FaceEnrolInput(FaceEnrolOptions):
    """A picture, and the person of one of its faces."""

    image = PictureField(help_text=PICTURE_HELP)


class EnrolledFaceSerializer(serializers.Serializer):
    person = PersonSerializer()
    outcome = OutcomeSerializer()
