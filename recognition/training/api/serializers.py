"""Training runs in requests and in the OpenAPI document."""

from __future__ import annotations

from typing import Any, cast

from rest_framework import serializers

from recognition.jobs.api.serializers import JobSerializer
from recognition.training.models import TrainingRun
from recognition.training.options import OPTIONS, Option
from recognition.web.boundaries import CheckedFields, FieldOptions

_OWN = ("task", "name", "licence", "collection", "folder", "camera")


def _field(option: Option) -> serializers.Field:
    tasks = "" if len(option.tasks) > 1 else f"Task `{option.tasks[0]}`. "
    values: FieldOptions = {
        "required": False,
        "help_text": f"{tasks}{option.help or option.label}".strip(),
    }
    if option.choices:
        return serializers.ChoiceField(choices=option.choices, **values)
    if option.kind is bool:
        return serializers.BooleanField(**values)
    kind: Any = serializers.IntegerField if option.kind is int else serializers.FloatField
    return kind(min_value=option.low, max_value=option.high, **values)


class _TrainingRunFields(serializers.Serializer):
    task = serializers.ChoiceField(choices=TrainingRun.Task.choices)
    name = serializers.CharField(max_length=64, help_text="Of the model.")
    licence = serializers.CharField(required=False, allow_blank=True, max_length=200)
    collection = serializers.UUIDField(
        required=False, help_text="Its people with recorded consent are trained on."
    )
    folder = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Instead: a folder in `TRAINING_DATA_DIR` of the server, with a folder of photos "
        "for each person.",
    )
    camera = serializers.UUIDField(
        required=False, help_text="Of an adaptation: a camera of the collection."
    )

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        """Puts the options together."""
        own = {name: attrs.pop(name) for name in _OWN if name in attrs}
        return {**own, "options": attrs}


_DOC = {"__doc__": "A run and its options; each left out has its default.", "__module__": __name__}
TrainingRunInput = cast(
    "type[serializers.Serializer]",
    type(
        "TrainingRunInput",
        (_TrainingRunFields,),
        {**_DOC, **{option.name: _field(option) for option in OPTIONS}},
    ),
)


class CancelTrainingInput(serializers.Serializer):
    keep_best = serializers.BooleanField(
        required=False, default=False, help_text="End it with the model of the best weights so far."
    )


class CurvePointSerializer(serializers.Serializer):
    """Numbers are null if the training diverged."""

    step = serializers.IntegerField()
    loss = serializers.FloatField(allow_null=True, help_text="Mean since the point before.")
    rate = serializers.FloatField(help_text="Learning rate.")
    auc = serializers.FloatField(allow_null=True, help_text="Of people not trained on.")
    accuracy = serializers.FloatField(allow_null=True, help_text="Balanced, of the same people.")


class TrainingRunSerializer(serializers.Serializer):
    """A network that is trained, or a preset that is adapted to a camera."""

    id = serializers.UUIDField()
    task = serializers.ChoiceField(choices=TrainingRun.Task.choices)
    name = serializers.CharField()
    licence = serializers.CharField()
    collection = serializers.UUIDField(allow_null=True)
    folder = serializers.CharField()
    camera = serializers.UUIDField(allow_null=True)
    settings = serializers.DictField(help_text="Every option.")
    state = serializers.ChoiceField(choices=TrainingRun.State.choices)
    message = serializers.CharField(help_text="Why it failed.")
    people = serializers.IntegerField()
    pictures = serializers.IntegerField()
    step = serializers.IntegerField()
    steps = serializers.IntegerField(help_text="At most. 0 until they are known.")
    model = serializers.CharField(allow_null=True, help_text="`name@hash`, when it is done.")
    model_id = serializers.IntegerField(allow_null=True)
    job = JobSerializer(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class TrainingRunDetailSerializer(TrainingRunSerializer):
    curve = CurvePointSerializer(many=True)
    figures = serializers.DictField(
        help_text="Of a training: AUC, balanced accuracy and the share of matches at a false-match "
        "rate of 1 %, of people not trained on. Of an adaptation: `compared`, the unchanged "
        "network, two baselines without training and the adapted network, on camera and on clean "
        "pictures of people neither trained on nor chosen by."
    )
    record = serializers.DictField(help_text="Settings, hashes of data and code, versions.")
