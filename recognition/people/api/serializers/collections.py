from __future__ import annotations

from rest_framework import serializers

from accounts.names import validate_visible
from recognition.people.models import Collection
from recognition.web.boundaries import FieldOptions

_RULES = (
    "name",
    "description",
    "match_threshold",
    "candidate_threshold",
    "candidate_own_curve",
    "target_false_match_rate",
    "target_false_positive_rate",
    "uses_own_curve",
    "match_margin",
    "decider",
    "flip_averaging",
    "search_kind",
    "quality_policy",
    "event_retention_days",
    "unknown_retention_days",
    "keeps_originals",
)


class CollectionInput(serializers.ModelSerializer):
    """The rules of a gallery. A missing field gets its default."""

    embedder = serializers.CharField(
        required=False,
        max_length=80,
        help_text="A name or a version from GET models. While the collection has templates it "
        "changes by a model change only.",
    )

    class Meta:
        model = Collection
        fields = (*_RULES, "embedder")
        # No check of uniqueness here. The service answers 409, even for a name that another request
        # took a moment ago.
        extra_kwargs: dict[str, FieldOptions] = {"name": {"validators": [validate_visible]}}


class CollectionSerializer(serializers.ModelSerializer):
    embedder = serializers.CharField(source="embedder.name", read_only=True)
    model = serializers.CharField(
        source="embedder.version", read_only=True, help_text="The embedder's version, `name@hash`."
    )

    candidate = serializers.CharField(
        source="candidate.version",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="The version of the second model: before the switch of a change the new one, "
        "after it the former one. Both can be kept, and a camera may name either.",
    )

    class Meta:
        model = Collection
        fields: tuple[str, ...] = ("id", *_RULES, "embedder", "model", "candidate", "created_at")
        read_only_fields = fields


class InForceSerializer(serializers.Serializer):
    """The size of the gallery, and the rules that follow from it now."""

    persons = serializers.IntegerField()
    templates = serializers.IntegerField()
    threshold = serializers.FloatField(
        allow_null=True,
        help_text="Null, as are `source` and `curve`, if nothing is known about the scores of the "
        "model with the detector in use: recognition answers 409 `no_threshold`.",
    )
    margin = serializers.FloatField()
    # DRF's metaclass takes fields out of the class, so this is not Field.source.
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["fixed", "target_rate", "gallery_size"],
        allow_null=True,
        help_text="How the threshold was set.",
    )
    curve = serializers.ChoiceField(
        choices=["model", "own"],
        allow_null=True,
        help_text="The score curve that turns rates into thresholds: the one of the model, or one "
        "measured on the collection's own people.",
    )
    decider = serializers.ChoiceField(
        choices=Collection.Decider.choices,
        help_text="`nearest` if the SVM was chosen and is not trained yet.",
    )


class CollectionDetailSerializer(CollectionSerializer):
    in_force = InForceSerializer()
    candidate_in_force = InForceSerializer(
        allow_null=True, help_text="The same for cameras that name the second model."
    )

    class Meta(CollectionSerializer.Meta):
        fields = (*CollectionSerializer.Meta.fields, "in_force", "candidate_in_force")
        read_only_fields = fields
