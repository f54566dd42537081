from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_engine.formats import Wish, placeholder_values
from ml_engine.zoo import PRESETS, Preprocessing
from ml_engine.zoo.preprocessing import per_channel
from recognition.people.models import ModelVersion
from recognition.web.boundaries import CheckedFields

_ROLES = sorted({preset.role for preset in PRESETS.values()})


@extend_schema_field(OpenApiTypes.BINARY)
class ModelFileField(serializers.FileField):
    """A file of a model."""


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}]})
class PerChannelField(serializers.CharField):
    """One number, or three that commas divide."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return per_channel(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class ModelFileInput(serializers.Serializer):
    """A file, and what it does not tell of itself. What is left out is found in the file."""

    file = ModelFileField(help_text="One file, or a ZIP of a SavedModel or of a checkpoint.")
    input = serializers.CharField(required=False, help_text="A tensor, such as `input:0`.")
    output = serializers.CharField(
        required=False, help_text="Any tensor, or a layer of a Keras file: the embedding."
    )
    size = serializers.IntegerField(
        required=False, min_value=16, max_value=1024, help_text="Side of the input in pixels."
    )
    layout = serializers.ChoiceField(required=False, choices=["nhwc", "nchw"])
    network = serializers.CharField(
        required=False,
        help_text="For a file of weights without a network: `inception_resnet_v1`, FaceNet's.",
    )
    checkpoint = serializers.CharField(
        required=False, help_text="Prefix of its files, if a ZIP holds several."
    )
    values = serializers.CharField(
        required=False, help_text="Of other placeholders: `keep_prob=1.0`, separated by commas."
    )
    mean = PerChannelField(
        required=False, help_text="127.5 if it is left out; one number, or `R,G,B`."
    )
    scale = PerChannelField(
        required=False,
        help_text="128 if it is left out: the network takes (pixel - mean) / scale. One number, or "
        "`R,G,B`.",
    )
    channels = serializers.ChoiceField(required=False, choices=["rgb", "bgr", "grey"])
    is_whitened = serializers.BooleanField(
        required=False, help_text="Each picture by its own mean and deviation instead."
    )
    alignment = serializers.ChoiceField(required=False, choices=["arcface", "dlib", "box"])
    margin = serializers.FloatField(
        required=False, min_value=0, max_value=2, help_text="Of a box, in widths of the face."
    )

    def validate(self, attrs: CheckedFields) -> CheckedFields:
        """Adds `wish`."""
        told = {name: attrs.pop(name) for name in _PREPROCESSING if name in attrs}
        try:
            preprocessing = Preprocessing(**told)
        except ValueError as error:
            raise serializers.ValidationError({"scale": [str(error)]}) from error
        try:
            values = placeholder_values(filter(None, attrs.pop("values", "").split(",")))
        except ValueError as error:
            raise serializers.ValidationError({"values": [str(error)]}) from error
        rest: dict[str, Any] = {name: attrs.pop(name) for name in _WISHES if name in attrs}
        attrs["wish"] = Wish(values=values, preprocessing=preprocessing, **rest)
        return attrs


_PREPROCESSING = ("mean", "scale", "channels", "is_whitened")
_WISHES = ("input", "output", "size", "layout", "network", "checkpoint", "alignment", "margin")


class ModelInput(ModelFileInput):
    name = serializers.CharField(max_length=64, help_text="Of your own.")
    licence = serializers.CharField(required=False, max_length=200)
    training_data = serializers.CharField(required=False, max_length=500)


class EvaluateInput(serializers.Serializer):
    collection = serializers.UUIDField(help_text="Its people are compared with each other.")


class CurveEffectSerializer(serializers.Serializer):
    """`then` is the threshold by the evaluated curve. Null: there is none."""

    collection = serializers.UUIDField()
    name = serializers.CharField()
    now = serializers.FloatField(allow_null=True)
    then = serializers.FloatField(allow_null=True)
    removes_fixed = serializers.BooleanField(
        help_text="`now` was set by hand, and would be removed: the curve normalises scores in "
        "another way."
    )
    measures = serializers.BooleanField(
        help_text="The collection's own curve would be out of force, and the collection would be "
        "measured again by a job: until then `then` is in force."
    )


class EvaluatedCurveSerializer(serializers.Serializer):
    detector = serializers.CharField(help_text="`name@hash`")
    # DRF's metaclass takes fields out of the class, so this is not Field.source.
    source = serializers.CharField(help_text="Of what it was measured on.")  # type: ignore[assignment]
    pairs = serializers.IntegerField(help_text="Of strangers.")
    collections = CurveEffectSerializer(many=True)


class CurveInForceSerializer(serializers.Serializer):
    detector = serializers.CharField(help_text="`name@hash`")
    # DRF's metaclass takes fields out of the class, so this is not Field.source.
    source = serializers.CharField()  # type: ignore[assignment]
    pairs = serializers.IntegerField(help_text="Of strangers.")


class ModelSerializer(serializers.Serializer):
    """A preset, or a model of your own. `id` is null until a collection or an event uses it."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    version = serializers.CharField(
        help_text="`name@hash`. Vectors of different versions cannot be compared."
    )
    role = serializers.ChoiceField(choices=_ROLES)
    # DRF's metaclass takes fields out of the class, so this is not Field.source.
    source = serializers.ChoiceField(choices=ModelVersion.Source.choices)  # type: ignore[assignment]
    state = serializers.ChoiceField(
        choices=ModelVersion.State.choices, help_text="Only a usable model can embed a collection."
    )
    sha256 = serializers.CharField()
    dimension = serializers.IntegerField(allow_null=True)
    licence = serializers.CharField()
    training_data = serializers.CharField()
    people_gone = serializers.IntegerField(
        help_text="People it was trained on who were erased or withdrew their consent since."
    )
    about = serializers.CharField()
    figures = serializers.DictField()
    curves = CurveInForceSerializer(many=True, help_text="Impostor curves, by detector.")
    has_evaluated_curve = serializers.BooleanField(
        help_text="An evaluation of this model, which is in use, left a curve that is not in "
        "force: GET `models/{id}/evaluated-curve`."
    )
    report = serializers.DictField(help_text="Of your own model: its card, operations and probe.")


class ModelListSerializer(serializers.Serializer):
    results = ModelSerializer(many=True)


class InspectionSerializer(serializers.Serializer):
    """What is in a file. Lists that a format does not have are left out."""

    kind = serializers.CharField()
    input = serializers.CharField(help_text="The tensor that was found; empty if none was.")
    output = serializers.CharField()
    reason = serializers.CharField(help_text="Why none was found.")
    size = serializers.IntegerField(required=False)
    operations = serializers.DictField(child=serializers.IntegerField())
    placeholders = serializers.ListField(child=serializers.DictField(), required=False)
    variables = serializers.ListField(child=serializers.DictField(), required=False)
    constants = serializers.ListField(child=serializers.DictField(), required=False)
    tensors = serializers.ListField(child=serializers.JSONField(), required=False)
    layers = serializers.ListField(child=serializers.CharField(), required=False)
    outputs = serializers.ListField(child=serializers.CharField(), required=False)
