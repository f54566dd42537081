"""Models: presets of the zoo, and those of the user's own."""

from __future__ import annotations

from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access, Scope
from ml_engine.formats import inspect_file
from ml_engine.types import ModelRefused
from ml_engine.zoo import PRESETS, Preset
from recognition.jobs.api.serializers import JobSerializer
from recognition.jobs.payloads import job_payload
from recognition.people import selectors
from recognition.people.api.serializers.models import (
    EvaluateInput,
    InspectionSerializer,
    ModelFileInput,
    ModelInput,
    ModelListSerializer,
    ModelSerializer,
)
from recognition.people.api.views.collections import refuse_limited_key
from recognition.people.models import ModelVersion
from recognition.people.services.own_models import evaluating_start, model_add, model_remove
from recognition.web.api.base import ApiView
from recognition.web.api.parsers import SafeJsonParser
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError, not_found
from recognition.web.uploads import upload_on_disk

_FORM = "multipart/form-data"


class ModelsView(ApiView):
    # JSON has no files, but its fields are refused by name.
    parser_classes = [MultiPartParser, SafeJsonParser]

    @operation(
        "models_list",
        "List models",
        scope=Scope.IDENTIFY,
        answer=ModelListSerializer,
        about="Presets with their origin, licence and measured figures. After them, your own "
        "models, and older versions that collections still use.",
    )
    def get(self, request: Request) -> Response:
        versions = {row.version: row for row in ModelVersion.objects.all()}
        rows = [_preset(card, versions.pop(card.version, None)) for card in PRESETS.values()]
        others = [_other(row) for row in versions.values()]
        return Response({"results": rows + others})

    @operation(
        "models_add",
        "Add a model of your own",
        scope=Scope.MANAGE,
        request={_FORM: ModelInput},
        answer=ModelSerializer,
        status=201,
        errors=(409, 422, *WITH_BODY),
        about="Keras, SavedModel, frozen graph, checkpoint, TFLite or ONNX. Every operation "
        "between input and output is checked before anything runs; the error names what is not "
        "allowed. The model has to be evaluated before a collection can use it. A file may have "
        "`MAX_UPLOAD_MB`; `manage.py models add` takes larger ones.",
    )
    def post(self, request: Request) -> Response:
        refuse_limited_key(self.access)
        values = self.read(ModelInput)
        with upload_on_disk(values.pop("file")) as path:
            version = model_add(path=path, actor=self.actor, **values)
        return Response(_other(version), status=status.HTTP_201_CREATED)


class InspectModelView(ApiView):
    # JSON has no files, but its fields are refused by name.
    parser_classes = [MultiPartParser, SafeJsonParser]

    @operation(
        "models_inspect",
        "See what is in a model's file",
        scope=Scope.MANAGE,
        request={_FORM: ModelFileInput},
        answer=InspectionSerializer,
        errors=(422, *WITH_BODY),
        about="Placeholders, operations, variables and possible outputs. Nothing of the file is "
        "run or kept.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(ModelFileInput)
        with upload_on_disk(values["file"]) as path:
            try:
                return Response(inspect_file(path, values["wish"]))
            except ModelRefused as error:
                raise ServiceError(error.code, error.message, status=422) from error


class ModelView(ApiView):
    @operation(
        "models_remove",
        "Remove a model of your own",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404, 409),
    )
    def delete(self, request: Request, model_id: int) -> Response:
        model_remove(version=_found(self.access, model_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EvaluateModelView(ApiView):
    @operation(
        "models_evaluate",
        "Evaluate a model on the people of a collection",
        scope=Scope.MANAGE,
        request=EvaluateInput,
        answer=JobSerializer,
        status=202,
        errors=(404, 409, *WITH_BODY),
        about="Starts a job that embeds the stored faces with this model and compares everybody "
        "with everybody, but for those it was trained on. The model is usable if it tells people "
        "apart.",
    )
    def post(self, request: Request, model_id: int) -> Response:
        version = _found(self.access, model_id)
        collection_id = self.read(EvaluateInput)["collection"]
        collection = selectors.collection_by_id(self.access, collection_id)
        job = evaluating_start(version=version, collection=collection, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


def _found(access: Access, model_id: int) -> ModelVersion:
    """An embedder. Models belong to all collections: a key of one of them finds none to change."""
    rows = ModelVersion.objects.filter(pk=model_id, role=ModelVersion.Role.EMBEDDER)
    row = rows.first()
    if row is None or access.collection_id is not None:
        raise not_found("embedder")
    return row


def _preset(preset: Preset, version: ModelVersion | None) -> JsonDict:
    names = ("role", "sha256", "dimension", "licence", "training_data", "about")
    return {
        "id": version.pk if version else None,
        "name": preset.name,
        "version": preset.version,
        "source": ModelVersion.Source.PRESET,
        "state": version.state if version else ModelVersion.State.USABLE,
        **{name: getattr(preset, name) for name in names},
        "people_gone": 0,
        "figures": version.figures if version else preset.figures,
        "report": {},
    }


def _other(row: ModelVersion) -> JsonDict:
    """A model of the user's own, or a version of a preset that is no longer installed."""
    is_file = row.source == ModelVersion.Source.FILE
    names = ("name", "version", "role", "source", "state", "sha256", "dimension")
    return {
        "id": row.pk,
        **{
            name: getattr(row, name) for name in (*names, "licence", "training_data", "people_gone")
        },
        "about": "A model of your own." if is_file else "Not the installed version.",
        "figures": row.figures,
        "report": row.report,
    }
