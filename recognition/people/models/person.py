from __future__ import annotations

import json

import numpy as np
from django.core.exceptions import ValidationError
from django.db import models
from numpy.typing import NDArray

from accounts.names import is_visible, validate_visible
from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.people.models.search_text import SearchTextField
from recognition.web.identifiers import BinaryCollatedCharField, uuid7

MOST_METADATA_BYTES = 16 * 1024
MOST_LABELS = 50
LONGEST_LABEL = 64


def validate_metadata(value: object) -> None:
    """A JSON object that every database can store: no NaN, infinity or half of a surrogate pair."""
    if not isinstance(value, dict):
        raise ValidationError('This must be a JSON object, such as {"room": 5}.')
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except ValueError as error:
        raise ValidationError("This cannot be stored as JSON.") from error
    if size > MOST_METADATA_BYTES:
        raise ValidationError(f"This is more than {MOST_METADATA_BYTES // 1024} kB.")


def validate_labels(value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValidationError("Labels are a list of texts.")
    if len(value) > MOST_LABELS:
        raise ValidationError(f"There may be {MOST_LABELS} labels at most.")
    if any(not 0 < len(label) <= LONGEST_LABEL for label in value):
        raise ValidationError(f"A label has 1 to {LONGEST_LABEL} characters.")
    if not all(is_visible(label) for label in value):
        raise ValidationError("A label has a character that can be seen.")


class Person(models.Model):
    """A person in one collection, with or without images."""

    class Consent(models.TextChoices):
        UNKNOWN = "unknown", "Not recorded"
        GIVEN = "given", "Given"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="persons")
    name = models.CharField(max_length=200, db_index=True, validators=[validate_visible])
    # NULL where there is none: conditional unique constraints are ignored by MySQL.
    external_id = BinaryCollatedCharField(
        max_length=128,
        null=True,
        blank=True,
        validators=[validate_visible],
        help_text="The id in your own system.",
    )
    metadata = models.JSONField(
        default=dict,
        blank=True,
        validators=[validate_metadata],
        help_text="Any JSON object of yours, up to 16 kB.",
    )
    labels = models.JSONField(default=list, blank=True, validators=[validate_labels])
    consent = models.CharField(max_length=16, choices=Consent.choices, default=Consent.UNKNOWN)
    consent_at = models.DateField(null=True, blank=True)
    search_text = SearchTextField(editable=False)
    is_active = models.BooleanField(default=True, help_text="Inactive people are not recognised.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(
                fields=["external_id", "collection"], name="external_id_once_per_collection"
            ),
        ]

    def __str__(self) -> str:
        return self.name


def _face_path(instance: FaceImage, filename: str) -> str:
    return f"faces/{str(instance.pk)[-2:]}/{instance.pk}.jpg"


def _original_path(instance: FaceImage, filename: str) -> str:
    return f"originals/{str(instance.pk)[-2:]}/{instance.pk}.jpg"


class FaceImage(models.Model):
    """The stored image of one face of a person. Box and landmarks are in pixels of the upload.

    A point of the upload lies in the stored crop at `(point - (crop_left, crop_top)) * crop_scale`,
    turned with the crop by `crop_turn`.
    Another model finds the face by these landmarks, without a new detection.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="images")
    # The person's collection again, so that a collection's images are listed without a join.
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="images")
    file = models.FileField(upload_to=_face_path, max_length=200)
    original = models.FileField(upload_to=_original_path, max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, db_index=True, help_text="Of the uploaded bytes.")
    box = models.JSONField(help_text="[x, y, width, height]")
    landmarks = models.JSONField(help_text="Five points [x, y].")
    crop_left = models.IntegerField(default=0, help_text="In pixels of the upload.")
    crop_top = models.IntegerField(default=0, help_text="In pixels of the upload.")
    crop_scale = models.FloatField(default=1.0, help_text="Pixels of the crop for each of those.")
    crop_turn = models.PositiveSmallIntegerField(
        default=0, help_text="Degrees clockwise by which the crop was turned to stand upright."
    )
    quality = models.FloatField(help_text="0 to 1")
    quality_parts = models.JSONField(default=dict)
    source = models.CharField(max_length=32, help_text="api, admin, live, demo, import")
    added_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["person", "sha256"], name="image_once_per_person"),
        ]
        indexes = [models.Index(fields=["person", "quality"], name="image_by_quality")]

    def __str__(self) -> str:
        return f"image {self.pk} of {self.person_id}"


class Template(models.Model):
    """One embedding of one face image by one model: float32, little-endian, of length 1."""

    image = models.ForeignKey(FaceImage, on_delete=models.CASCADE, related_name="templates")
    # A copy of the person's collection, so that a gallery is read without joins.
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="templates")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="templates")
    # The detector that found the face; null if unknown. A curve holds for one embedder with one
    # detector.
    detector = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, related_name="found_templates"
    )
    vector = models.BinaryField()
    dimension = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "model"], name="template_once_per_model"),
        ]
        # A gallery is read by it, in the order of the ids, which every index ends with.
        indexes = [models.Index(fields=["collection", "model"], name="template_gallery")]

    def __str__(self) -> str:
        return f"template {self.pk}"

    @staticmethod
    def pack(embedding: NDArray[np.float32]) -> bytes:
        """(d,) float32 to bytes."""
        return np.ascontiguousarray(embedding, dtype="<f4").tobytes()

    @staticmethod
    def unpack(vector: bytes | memoryview) -> NDArray[np.float32]:
        """Bytes to (d,) float32."""
        return np.frombuffer(bytes(vector), dtype="<f4")

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(d,) float32."""
        return self.unpack(self.vector)
