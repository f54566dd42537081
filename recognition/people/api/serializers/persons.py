from __future__ import annotations

from rest_framework import serializers
from rest_framework.reverse import reverse

from accounts.names import validate_visible
from recognition.people.api.serializers.faces import (
    FACE_HELP,
    FaceChoiceField,
    QualitySerializer,
)
from recognition.people.models import FaceImage, Person
from recognition.people.models.person import LONGEST_LABEL, MOST_LABELS, validate_metadata
from recognition.people.services.face_choice import ONLY
from recognition.web.api.pictures import PictureField, PictureListField


class PersonChanges(serializers.Serializer):
    """The fields of a person that can be changed."""

    name = serializers.CharField(max_length=200, validators=[validate_visible])
    external_id = serializers.CharField(
        max_length=128,
        required=False,
        allow_null=True,
        validators=[validate_visible],
        help_text="The id in your own system.",
    )
    metadata = serializers.DictField(
        required=False,
        validators=[validate_metadata],
        help_text="Any JSON object, up to 16 kB.",
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_LABEL, validators=[validate_visible]),
        max_length=MOST_LABELS,
        required=False,
    )
    consent = serializers.ChoiceField(choices=Person.Consent.choices, required=False)
    consent_at = serializers.DateField(required=False, allow_null=True)
    is_active = serializers.BooleanField(
        required=False, help_text="Inactive people are not recognised."
    )


class PersonInput(PersonChanges):
    collection = serializers.UUIDField(
        required=False, help_text="Optional if the caller sees only one."
    )


class PersonUpdate(PersonChanges):
    collection = serializers.UUIDField(
        required=False, help_text="The person's collection; another one is refused."
    )


class PersonFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)
    query = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Words. Each must be part of the name, the external id or a label. Case and "
        "accents are ignored.",
    )
    external_id = serializers.CharField(required=False, help_text="Exactly this external id.")
    # DRF's metaclass takes fields out of the class, so this is not Field.label.
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="Only people with this label."
    )


class PersonSerializer(serializers.ModelSerializer):
    labels = serializers.ListField(child=serializers.CharField())
    metadata = serializers.DictField()
    consent_at = serializers.DateField(allow_null=True)

    class Meta:
        model = Person
        fields = (
            "id",
            "collection",
            "name",
            "external_id",
            "metadata",
            "labels",
            "consent",
            "consent_at",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class MergeInput(serializers.Serializer):
    person = serializers.UUIDField(
        help_text="The person who is merged into this one and then deleted."
    )


class LookalikeInput(serializers.Serializer):
    person = serializers.UUIDField(help_text="A different person who looks like this one.")


class EraseAnswerSerializer(serializers.Serializer):
    erased = serializers.DictField(
        child=serializers.IntegerField(), help_text="Number of erased items of each kind."
    )


class EnrolOptions(serializers.Serializer):
    face = FaceChoiceField(help_text=f"{FACE_HELP} A box can be sent only with one picture.")


class EnrolInput(EnrolOptions):
    """One picture (`image`) or many (`images`), each with one face."""

    images = PictureListField(required=False, help_text="Many pictures.")
    image = PictureField(required=False, help_text="One picture.")

    def validate(self, attrs: dict) -> dict:
        if not attrs.get("images") and "image" not in attrs:
            raise serializers.ValidationError({"images": ["Send at least one picture."]})
        count = len(attrs.get("images", ())) + ("image" in attrs)
        if attrs.get("face", ONLY).box is not None and count > 1:
            raise serializers.ValidationError({"face": ["Send a box only with one picture."]})
        return attrs


class ImageSerializer(serializers.ModelSerializer):
    """A stored face. Reading `url` needs the same session or key."""

    url = serializers.SerializerMethodField()
    quality_parts = serializers.DictField()
    box = serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4)
    landmarks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)
    )

    class Meta:
        model = FaceImage
        fields = (
            "id",
            "person",
            "url",
            "sha256",
            "box",
            "landmarks",
            "quality",
            "quality_parts",
            "source",
            "added_by",
            "created_at",
        )
        read_only_fields = fields

    def get_url(self, image: FaceImage) -> str:
        return reverse("image-file", args=[image.pk])


class ImageFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)
    person = serializers.UUIDField(required=False)


class OutcomeSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Number of the picture in the request, from 0.")
    name = serializers.CharField(help_text="Its file name, if it has one.")
    accepted = serializers.BooleanField()
    code = serializers.CharField(
        help_text="`accepted`, or the reason of the refusal: `no_face`, `several_faces`, "
        "`low_quality`, `duplicate_image`, `looks_like_another_person`, or a problem of the file."
    )
    message = serializers.CharField()
    faces_found = serializers.IntegerField()
    turned = serializers.IntegerField(
        help_text="Degrees clockwise by which the stored face was turned to make it upright."
    )
    quality = QualitySerializer(allow_null=True)
    image = serializers.UUIDField(allow_null=True, help_text="The stored image.")


class EnrolAnswerSerializer(serializers.Serializer):
    accepted = serializers.IntegerField()
    refused = serializers.IntegerField()
    outcomes = OutcomeSerializer(many=True)
