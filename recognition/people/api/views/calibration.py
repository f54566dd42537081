"""A collection measured on its own people, and the SVM that is trained on them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.people import selectors
from recognition.people.api.serializers.calibration import (
    CalibrationSerializer,
    ThemeInput,
    TrainedDeciderSerializer,
    calibration_payload,
)
from recognition.people.models import Collection
from recognition.people.services.calibration import (
    CalibrationState,
    calibration_state,
    collection_calibrate,
    det_picture,
)
from recognition.people.services.deciders import decider_state, decider_train
from recognition.web.api.base import ApiView
from recognition.web.api.schema import operation
from recognition.web.errors import not_found

_SVG = {(200, "image/svg+xml"): OpenApiTypes.BINARY}


class CalibrateView(ApiView):
    @operation(
        "collections_calibrate",
        "Measure a collection on its own people",
        scope=Scope.MANAGE,
        answer=CalibrationSerializer,
        errors=(404, 409),
        about="How often they are missed, and taken for each other; some seconds for a large "
        "gallery. It takes the place of what was measured before and changes no rule: that does "
        "`uses_own_curve` of the collection.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        collection_calibrate(collection=collection, actor=self.actor)
        return Response(calibration_payload(_state(collection)))


class CalibrationView(ApiView):
    @operation(
        "collections_calibration",
        "Read what was measured on a collection's own people",
        scope=Scope.IDENTIFY,
        answer=CalibrationSerializer,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        return Response(calibration_payload(_state(collection)))


class DetPictureView(ApiView):
    @operation(
        "collections_det",
        "See it as a DET curve",
        scope=Scope.IDENTIFY,
        parameters=[ThemeInput],
        answer=_SVG,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> HttpResponse:
        collection = selectors.collection_by_id(self.access, collection_id)
        is_dark = self.read_query(ThemeInput)["theme"] == "dark"
        picture = det_picture(_state(collection), is_dark=is_dark)
        return HttpResponse(picture, content_type="image/svg+xml")


class TrainView(ApiView):
    @operation(
        "collections_train",
        "Train a collection's SVM",
        scope=Scope.MANAGE,
        answer=TrainedDeciderSerializer,
        errors=(404, 409),
        about="On the active people as they are now; some seconds, a minute for the largest "
        "galleries. It decides where the collection's `decider` is `svm`.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        decider_train(collection=collection, actor=self.actor)
        state: dict[str, Any] = asdict(decider_state(collection))
        return Response(state)


def _state(collection: Collection) -> CalibrationState:
    state = calibration_state(collection)
    if state is None:
        raise not_found("measurement: this collection was not measured yet")
    return state
