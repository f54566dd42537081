"""Models: presets of the zoo, and those of the user's own."""

from __future__ import annotations

from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access, Scope
from ml_engine.formats import inspect_file
from ml_engine.types import ModelRefused
from recognition.jobs.api.serializers import JobSerializer
from recognition.jobs.payloads import job_payload
from recognition.people import selectors
from recognition.people.api.serializers.models import (
    EvaluatedCurveSerializer,
    EvaluateInput,
    InspectionSerializer,
    ModelFileInput,
    ModelInput,
    ModelListSerializer,
    ModelSerializer,
)
from recognition.people.api.views.collections import refuse_limited_key
from recognition.people.model_payloads import model_payload, model_payloads
from recognition.people.models import ModelVersion
from recognition.people.services.model_curves import (
    curve_effects,
    evaluated_curve,
    evaluated_curve_use,
)
from recognition.people.services.own_models import evaluating_start, model_add, model_remove
from recognition.web.api.base import ApiView
from recognition.web.api.parsers import SafeJsonParser
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.errors import ServiceError, not_found
from recognition.web.numbers import rounded
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
        return Response({"results": model_payloads()})

    @operation(
        "models_add",
        "Add a model of your own",
        scope=Scope.MANAGE,
        request={_FORM: ModelInput},
        answer=ModelSerializer,
        status=201,
        errors=(409, 422, 503, 507, *WITH_BODY),
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
        return Response(model_payload(version), status=status.HTTP_201_CREATED)


class InspectModelView(ApiView):
    # JSON has no files, but its fields are refused by name.
    parser_classes = [MultiPartParser, SafeJsonParser]

    @operation(
        "models_inspect",
        "See what is in a model's file",
        scope=Scope.MANAGE,
        request={_FORM: ModelFileInput},
        answer=InspectionSerializer,
        errors=(422, 503, 507, *WITH_BODY),
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
        "apart. Of a model that a collection uses, state and curve stay: its new curve waits at "
        "`models/{id}/evaluated-curve`. Of a preset only the figures change.",
    )
    def post(self, request: Request, model_id: int) -> Response:
        version = _found(self.access, model_id)
        collection_id = self.read(EvaluateInput)["collection"]
        collection = selectors.collection_by_id(self.access, collection_id)
        job = evaluating_start(version=version, collection=collection, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


class EvaluatedCurveView(ApiView):
    @operation(
        "models_evaluated_curve",
        "See what the curve of the last evaluation would change",
        scope=Scope.MANAGE,
        answer=EvaluatedCurveSerializer,
        errors=(404, 409),
        about="For a model of your own that was evaluated while a collection used it: the "
        "threshold of each such collection, now and by the new curve.",
    )
    def get(self, request: Request, model_id: int) -> Response:
        version = _found(self.access, model_id)
        effects, curve = curve_effects(version), evaluated_curve(version)
        assert curve is not None  # else there are no effects
        answer = {
            "detector": curve.detector,
            "source": curve.source,
            "pairs": curve.pairs,
            "collections": [
                {
                    "collection": effect.collection.pk,
                    "name": effect.collection.name,
                    "now": rounded(effect.now),
                    "then": rounded(effect.then),
                    "removes_fixed": effect.removes_fixed,
                    "measures": effect.measures,
                }
                for effect in effects
            ],
        }
        return Response(answer)

    @operation(
        "models_evaluated_curve_use",
        "Put the curve of the last evaluation in force",
        scope=Scope.MANAGE,
        answer=ModelSerializer,
        errors=(404, 409),
        about="Thresholds of all collections that use the model follow. If the curve normalises "
        "scores in another way, thresholds that were set by hand are removed, and collections that "
        "use their own curve are measured again by a job; GET tells both of each collection.",
    )
    def post(self, request: Request, model_id: int) -> Response:
        version = evaluated_curve_use(version=_found(self.access, model_id), actor=self.actor)
        return Response(model_payload(version))


def _found(access: Access, model_id: int) -> ModelVersion:
    """An embedder. Models belong to all collections: a key of one of them finds none to change."""
    rows = ModelVersion.objects.filter(pk=model_id, role=ModelVersion.Role.EMBEDDER)
    row = rows.first()
    if row is None or access.collection_id is not None:
        raise not_found("embedder")
    return row
