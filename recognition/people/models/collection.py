from __future__ import annotations

import copy

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.names import validate_visible
from recognition.people.models.model_version import ModelVersion
from recognition.web.identifiers import uuid7

# A hundred years: today minus much more is no valid date.
MOST_RETENTION_DAYS = 36_500


class Collection(models.Model):
    """A gallery with its own people and rules."""

    class QualityPolicy(models.TextChoices):
        OFF = "off", "Off: any face that is found"
        STANDARD = "standard", "Standard: refuse what would be recognised badly"
        STRICT = "strict", "Strict: sharp, frontal, well-lit faces only"

    class Decider(models.TextChoices):
        NEAREST = "nearest", "Nearest: the person with the most similar image"
        MEAN = "mean", "Mean: the person whose images, averaged, are the most similar"
        VOTE = "vote", "Vote: the person with the most of the five most similar images"
        SVM = "svm", "SVM: a linear SVM trained on the gallery"

    class FlipAveraging(models.TextChoices):
        NONE = "none", "Never"
        ENROLLED = "enrolled", "Enrolled faces: costs nothing when faces are recognised"
        BOTH = "both", "Enrolled and recognised faces: twice the cost of embedding"

    class SearchKind(models.TextChoices):
        AUTO = "auto", "By size: exact, and bytes with exact rescoring from 50,000 images on"
        EXACT = "float32", "Exact"
        BYTES = "int8", "Bytes with exact rescoring: a quarter of the memory"
        LISTS = "ivf", "Inverted lists: for millions, may miss a few in a hundred"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100, unique=True, validators=[validate_visible])
    description = models.TextField(blank=True)
    embedder = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="collections",
        limit_choices_to={"role": ModelVersion.Role.EMBEDDER},
    )
    # The second model, which templates are stored for as well: before a switch the new one, after
    # it the old one, which can be rolled back to (see ModelChange). Cameras may be recognised with
    # it, as long as both are kept.
    candidate = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="candidate_of",
        editable=False,
    )
    # The rules that belong to the second model. A switch exchanges them with those in force.
    candidate_threshold = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)],
        help_text="Lowest similarity (cosine) of a match by the second model. Empty: from the "
        "target rate.",
    )
    candidate_own_curve = models.BooleanField(
        default=False,
        help_text="Take thresholds of the second model from the scores of this collection's own "
        "people, after a measurement, instead of its curve.",
    )
    match_threshold = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)],
        help_text="Lowest similarity (cosine) of a match. Empty: from the target rate below.",
    )
    target_false_match_rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1e-8), MaxValueValidator(0.5)],
        help_text="How often one comparison of strangers may match (FMR). Empty: from the size "
        "of the gallery and the rate below.",
    )
    target_false_positive_rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1e-6), MaxValueValidator(0.5)],
        help_text="How often a stranger may be named, for any number of enrolled people (FPIR). "
        "Used if neither of the above is set. Empty: 0.01.",
    )
    uses_own_curve = models.BooleanField(
        default=False,
        help_text="Take thresholds from the scores of this collection's own people, after a "
        "measurement, instead of the curve of the embedder.",
    )
    match_margin = models.FloatField(
        default=0.03,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="If the similarities of two people differ by less, a face is ambiguous.",
    )
    quality_policy = models.CharField(
        max_length=16, choices=QualityPolicy.choices, default=QualityPolicy.STANDARD
    )
    decider = models.CharField(max_length=16, choices=Decider.choices, default=Decider.NEAREST)
    flip_averaging = models.CharField(
        max_length=16,
        choices=FlipAveraging.choices,
        default=FlipAveraging.ENROLLED,
        help_text="Average a face's vector with that of its mirror image, for fewer errors.",
    )
    search_kind = models.CharField(
        max_length=16, choices=SearchKind.choices, default=SearchKind.AUTO
    )
    event_retention_days = models.PositiveIntegerField(
        default=90,
        validators=[MaxValueValidator(MOST_RETENTION_DAYS)],
        help_text="Days after which events are deleted. 0: never.",
    )
    unknown_retention_days = models.PositiveIntegerField(
        default=14,
        validators=[MaxValueValidator(MOST_RETENTION_DAYS)],
        help_text="The same for events of unknown faces. 0: never.",
    )
    keeps_originals = models.BooleanField(
        default=False, help_text="Also store the whole uploaded photo."
    )
    # Counts changes of the gallery. Raised under the row's lock, so that revisions become visible
    # in order; other processes follow it (see GalleryChange).
    gallery_revision = models.PositiveBigIntegerField(default=0, editable=False)
    # When a person was last erased. A stream does not store a picture from before this time, as it
    # may show that person.
    last_erasure_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # See `seen_by`. Not a column.
    is_seen_by_candidate = False

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def model_ids(self) -> list[int]:
        """The models that templates are stored for, the one in force first."""
        both = (self.embedder_id, self.candidate_id)
        return [model_id for model_id in both if model_id is not None]

    def seen_by(self, model: ModelVersion) -> Collection:
        """The collection as if this model was in force, with the rules of the second model: a copy
        that only a switch saves."""
        if model.pk == self.embedder_id:
            return self
        seen = copy.copy(self)
        seen.embedder, seen.candidate = model, self.embedder
        seen.match_threshold = self.candidate_threshold
        seen.uses_own_curve = self.candidate_own_curve
        seen.is_seen_by_candidate = True
        return seen

    def seen_by_id(self, model_id: int | None) -> Collection:
        """See `seen_by`: of the second model if this is its id, else of the one in force."""
        second = self.candidate if model_id is not None else None
        return self.seen_by(second) if second is not None and second.pk == model_id else self
