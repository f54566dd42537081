"""Operations that change a collection's model without downtime."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.people import selectors
from recognition.people.api.serializers.model_changes import (
    ModelChangeInput,
    ModelChangeSerializer,
    SideInput,
    SwitchInput,
    model_change_payload,
)
from recognition.people.model_versions import embedder_named
from recognition.people.models import ModelChange
from recognition.people.services.calibration import (
    CalibrationState,
    calibration_state,
)
from recognition.people.services.curve_pictures import det_picture, scores_picture
from recognition.people.services.model_changes import (
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
    newest_change,
)
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.errors import not_found

_SVG = {(200, "image/svg+xml"): OpenApiTypes.BINARY}


class ModelChangeView(ApiView):
    @operation(
        "collections_model_change",
        "Read the newest change of a collection's model",
        scope=Scope.MANAGE,
        answer=ModelChangeSerializer,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> Response:
        return Response(model_change_payload(_change(self, collection_id)))

    @operation(
        "collections_model_change_start",
        "Start to change a collection's model",
        scope=Scope.MANAGE,
        request=ModelChangeInput,
        answer=ModelChangeSerializer,
        status=202,
        errors=(404, 409, *WITH_BODY),
        about="Starts a job that embeds every stored face by the new model, measures both models "
        "on the collection's own people, and trains its SVM if the collection uses one. Nothing "
        "changes for anyone until the switch. Faces that are enrolled meanwhile are embedded by "
        "both models.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        model = embedder_named(self.read(ModelChangeInput)["embedder"])
        change = model_change_start(collection=collection, model=model, actor=self.actor)
        change.refresh_from_db()
        return Response(model_change_payload(change), status=status.HTTP_202_ACCEPTED)


class SwitchModelView(ApiView):
    @operation(
        "collections_model_change_switch",
        "Put the new model in force",
        scope=Scope.MANAGE,
        request=SwitchInput,
        answer=ModelChangeSerializer,
        errors=(404, 409, *WITH_BODY),
        about="A fixed `match_threshold` belongs to the old model: it is emptied, so that the "
        "threshold follows from the target rate, and comes back with a rollback. 409 "
        "`images_lost` if the new model cannot embed some images and `accepted_losses` is less; "
        "409 `galleries_not_loaded` until every process has the new gallery in memory, and 409 "
        "`images_missing` or `negatives_missing` if something was stored that is not embedded "
        "yet: try again a moment later.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        accepted = self.read(SwitchInput)
        return _moved(self, collection_id, model_change_switch, **accepted)


class RollBackModelView(ApiView):
    @operation(
        "collections_model_change_roll_back",
        "Put the former model in force again",
        scope=Scope.MANAGE,
        request=SwitchInput,
        answer=ModelChangeSerializer,
        errors=(404, 409, *WITH_BODY),
        about="With its thresholds, its SVM and the faces that were enrolled since. 409 "
        "`images_lost` if it cannot embed some of these and `accepted_losses` is less; 409 "
        "`images_missing` or `negatives_missing` if something was stored that is not embedded "
        "yet: try again a moment later.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        accepted = self.read(SwitchInput)
        return _moved(self, collection_id, model_change_roll_back, **accepted)


class LetGoModelView(ApiView):
    @operation(
        "collections_model_change_let_go",
        "Remove the former model's data",
        scope=Scope.MANAGE,
        answer=ModelChangeSerializer,
        errors=(404, 409),
        about="After that there is no way back but another change.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        return _moved(self, collection_id, model_change_let_go)


class CancelModelView(ApiView):
    @operation(
        "collections_model_change_cancel",
        "Keep the former model, and remove the new one's data",
        scope=Scope.MANAGE,
        answer=ModelChangeSerializer,
        errors=(404, 409),
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        return _moved(self, collection_id, model_change_cancel)


class ModelChangeDetView(ApiView):
    @operation(
        "collections_model_change_det",
        "Get a model's DET curve on the collection's own people",
        scope=Scope.MANAGE,
        parameters=[SideInput],
        answer=_SVG,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> HttpResponse:
        return _picture(self, collection_id, det_picture)


class ModelChangeScoresView(ApiView):
    @operation(
        "collections_model_change_scores",
        "Get a model's genuine and impostor curves on the collection's own people",
        scope=Scope.MANAGE,
        parameters=[SideInput],
        answer=_SVG,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> HttpResponse:
        return _picture(self, collection_id, scores_picture)


def _moved(
    view: ApiView, collection_id: UUID, move: Callable[..., ModelChange], **options: int
) -> Response:
    collection = selectors.collection_by_id(view.access, collection_id)
    return Response(model_change_payload(move(collection=collection, actor=view.actor, **options)))


def _picture(view: ApiView, collection_id: UUID, draw: Callable[..., bytes]) -> HttpResponse:
    asked = view.read_query(SideInput)
    state = _state(_change(view, collection_id), asked["side"])
    picture = draw(state, is_dark=asked["theme"] == "dark")
    return HttpResponse(picture, content_type="image/svg+xml")


def _change(view: ApiView, collection_id: UUID) -> ModelChange:
    change = newest_change(selectors.collection_by_id(view.access, collection_id))
    if change is None:
        raise not_found("model change")
    return change


def _state(change: ModelChange, side: str) -> CalibrationState:
    model = change.source if side == "source" else change.target
    state = calibration_state(change.collection.seen_by(model))
    if state is None:
        raise not_found("measurement of this model")
    return state
