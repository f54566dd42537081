"""The change of a collection's model."""

from __future__ import annotations

from rest_framework import serializers

from recognition.people.api.serializers.calibration import THEMES
from recognition.people.models import ModelChange
from recognition.people.services.model_changes import change_progress, images_lost
from recognition.web.boundaries import JsonDict

SIDES = ("source", "target")
_MOST_LISTED = 100


class ModelChangeInput(serializers.Serializer):
    embedder = serializers.CharField(
        max_length=80, help_text="A name or a version from GET models, which is to be used."
    )


class SwitchInput(serializers.Serializer):
    accepted_losses = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        help_text="So many images may be lost, because the model to be put in force cannot embed "
        "them.",
    )


class SideInput(serializers.Serializer):
    side = serializers.ChoiceField(choices=SIDES, default="target", help_text="Of which model.")
    theme = serializers.ChoiceField(choices=THEMES, default="light")


class MissedSerializer(serializers.Serializer):
    """At the threshold that this model has in the collection."""

    model = serializers.CharField()
    threshold = serializers.FloatField()
    people = serializers.IntegerField(help_text="People with several images.")
    missed = serializers.IntegerField(
        help_text="Of them, those who would be missed by most of their images."
    )


class ModelChangeSerializer(serializers.Serializer):
    """From one model to another. `source` is in force until the switch."""

    id = serializers.UUIDField()
    collection = serializers.UUIDField()
    source = serializers.CharField(help_text="`name@hash`")  # type: ignore[assignment]
    target = serializers.CharField(help_text="`name@hash`")
    state = serializers.ChoiceField(choices=ModelChange.State.choices)
    images_total = serializers.IntegerField(help_text="At the start.")
    images_done = serializers.IntegerField(help_text="Embedded by the job.")
    images_missing = serializers.IntegerField(help_text="Still to be embedded.")
    images_lost = serializers.IntegerField(
        help_text="The model that is not in force cannot embed them. A switch or a rollback has to "
        "accept them."
    )
    lost_images = serializers.ListField(
        child=serializers.UUIDField(), help_text=f"Ids of the first {_MOST_LISTED} of them."
    )
    negatives_missing = serializers.IntegerField(help_text="Rejected faces still to be embedded.")
    negatives_lost = serializers.IntegerField()
    events_done = serializers.IntegerField(help_text="Events whose face was embedded.")
    events_lost = serializers.IntegerField()
    waiting_for = serializers.IntegerField(
        help_text="Processes that have not loaded the other model's gallery yet."
    )
    missed = MissedSerializer(many=True, help_text="Empty until both models are measured.")
    message = serializers.CharField(help_text="Why the new model was not measured or trained.")
    kept_threshold = serializers.FloatField(
        allow_null=True,
        help_text="The fixed threshold of the model that is not in force: it comes back with it.",
    )
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When old data were removed.")


def model_change_payload(change: ModelChange) -> JsonDict:
    progress = change_progress(change)
    lost = images_lost(change).values_list("image_id", flat=True)
    same = ("id", "state", "images_total", "images_done", "events_done", "events_lost",
            "created_at", "changed_at", "ended_at")  # fmt: skip
    counted = ("images_missing", "images_lost", "negatives_missing", "negatives_lost",
               "waiting_for")  # fmt: skip
    payload = {
        **{name: getattr(change, name) for name in same},
        **{name: getattr(progress, name) for name in counted},
        "collection": change.collection_id,
        "kept_threshold": change.collection.candidate_threshold,
        "source": change.source.version,
        "target": change.target.version,
        "lost_images": list(lost[:_MOST_LISTED]),
        "missed": [{"model": model, **found} for model, found in change.figures.items()],
        "message": change.error,
    }
    return ModelChangeSerializer(payload).data
