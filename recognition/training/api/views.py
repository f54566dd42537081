"""Start, follow and cancel training runs."""

from __future__ import annotations

from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.cameras.selectors import camera_by_id
from recognition.people.api.views.collections import refuse_limited_key
from recognition.people.selectors import collection_by_id
from recognition.training.api.serializers import (
    CancelTrainingInput,
    TrainingRunDetailSerializer,
    TrainingRunInput,
    TrainingRunSerializer,
)
from recognition.training.payloads import training_run_detail, training_run_payload
from recognition.training.selectors import training_run_by_id, training_runs_list
from recognition.training.services.runs import training_run_cancel, training_run_start
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation


class TrainingRunsView(ApiView):
    @operation(
        "training_runs_list",
        "List training runs, the newest first",
        scope=Scope.MANAGE,
        answer=TrainingRunSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(training_runs_list(self.access)) or []
        return self.get_paginated_response([training_run_payload(run) for run in page])

    @operation(
        "training_runs_start",
        "Train a network, or adapt a preset to a camera",
        scope=Scope.MANAGE,
        request=TrainingRunInput,
        answer=TrainingRunSerializer,
        status=202,
        errors=(404, 409, *WITH_BODY),
        about="A job trains in a process of its own on people with recorded consent. Some of them "
        "are set apart to choose the best weights by. The model that comes of it has to be "
        "evaluated on other people before a collection can use it.",
    )
    def post(self, request: Request) -> Response:
        refuse_limited_key(self.access)
        values = self.read(TrainingRunInput)
        if "collection" in values:
            values["collection"] = collection_by_id(self.access, values["collection"])
        if "camera" in values:
            values["camera"] = camera_by_id(self.access, values["camera"])
        run = training_run_start(actor=self.actor, **values)
        return Response(training_run_payload(run), status=status.HTTP_202_ACCEPTED)


class TrainingRunView(ApiView):
    @operation(
        "training_runs_read",
        "Read a training run with its curve",
        scope=Scope.MANAGE,
        answer=TrainingRunDetailSerializer,
        errors=(404,),
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(training_run_detail(training_run_by_id(self.access, run_id)))


class CancelTrainingView(ApiView):
    @operation(
        "training_runs_cancel",
        "Cancel a training run",
        scope=Scope.MANAGE,
        request=CancelTrainingInput,
        answer=TrainingRunSerializer,
        errors=(404, 409, *WITH_BODY),
        about="It ends within seconds and leaves nothing, or with `keep_best` the model with the "
        "best weights so far.",
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        run = training_run_by_id(self.access, run_id)
        training_run_cancel(run=run, actor=self.actor, **self.read(CancelTrainingInput))
        return Response(training_run_payload(training_run_by_id(self.access, run_id)))
