"""Operations that measure a collection on its own people and train its SVM."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.jobs.api.serializers import JobSerializer
from recognition.jobs.payloads import job_payload
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
    measuring_start,
)
from recognition.people.services.curve_pictures import det_picture, discard_picture
from recognition.people.services.deciders import decider_state, training_start
from recognition.people.services.reembedding import taking_up_start
from recognition.web.api.base import ApiView
from recognition.web.api.schema import operation
from recognition.web.errors import not_found

_SVG = {(200, "image/svg+xml"): OpenApiTypes.BINARY}


class CalibrateView(ApiView):
    @operation(
        "collections_calibrate",
        "Measure a collection on its own people",
        scope=Scope.MANAGE,
        answer=JobSerializer,
        status=202,
        errors=(404, 409),
        about="Starts a job that measures how often people are missed and how often they are "
        "mistaken for each other. GET `calibration` returns the result, which replaces the one "
        "before. It changes no rule until the collection's `uses_own_curve` is set. If the "
        "collection has such a job that has not ended, the answer is that job.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        job = measuring_start(collection=collection, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


class TakeUpModelView(ApiView):
    @operation(
        "collections_take_up_model",
        "Take up the installed version of a collection's model",
        scope=Scope.MANAGE,
        answer=JobSerializer,
        status=202,
        errors=(404, 409),
        about="For a collection that answers 409 `model_version_missing`. Starts a job that embeds "
        "the stored faces again and then switches the collection. If the collection has such a job "
        "that has not ended, the answer is that job.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        job = taking_up_start(collection=collection, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


class CalibrationView(ApiView):
    @operation(
        "collections_calibration",
        "Read the measurement of a collection on its own people",
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
        "Get the measurement as a DET curve",
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


class DiscardPictureView(ApiView):
    @operation(
        "collections_discard",
        "Get the measurement as an error-against-discard curve",
        scope=Scope.IDENTIFY,
        parameters=[ThemeInput],
        answer=_SVG,
        errors=(404,),
        about="How many pairs of pictures of one person do not match as the pictures of the worst "
        "quality are discarded.",
    )
    def get(self, request: Request, collection_id: UUID) -> HttpResponse:
        collection = selectors.collection_by_id(self.access, collection_id)
        is_dark = self.read_query(ThemeInput)["theme"] == "dark"
        picture = discard_picture(_state(collection), is_dark=is_dark)
        return HttpResponse(picture, content_type="image/svg+xml")


class TrainView(ApiView):
    @operation(
        "collections_train",
        "Train a collection's SVM",
        scope=Scope.MANAGE,
        answer=JobSerializer,
        status=202,
        errors=(404, 409),
        about="Starts a job that trains on the people who are active when it runs. GET `decider` "
        "returns the result. The SVM decides if the collection's `decider` is `svm`. If the "
        "collection has such a job that has not ended, the answer is that job.",
    )
    def post(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        job = training_start(collection=collection, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


class DeciderView(ApiView):
    @operation(
        "collections_decider",
        "Read the state of a collection's SVM",
        scope=Scope.IDENTIFY,
        answer=TrainedDeciderSerializer,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        return Response(TrainedDeciderSerializer(decider_state(collection)).data)


def _state(collection: Collection) -> CalibrationState:
    state = calibration_state(collection)
    if state is None:
        raise not_found("measurement: this collection was not measured yet")
    return state
