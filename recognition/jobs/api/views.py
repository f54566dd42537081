"""Read and cancel jobs."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsSignedIn
from recognition.jobs.api.serializers import JobDetailSerializer, JobFilter, JobSerializer
from recognition.jobs.payloads import job_detail, job_payload
from recognition.jobs.selectors import job_by_id, jobs_list
from recognition.jobs.services import job_cancel
from recognition.web.api.base import ApiView
from recognition.web.api.schema import operation

_VISIBLE = "A caller sees the jobs of all kinds that the caller may start."


class _JobsApiView(ApiView):
    # Each kind of job needs its own scope; the selectors check it.
    permission_classes = [IsSignedIn]


class JobsView(_JobsApiView):
    @operation(
        "jobs_list",
        "List jobs, the newest first",
        scope=None,
        parameters=[JobFilter],
        answer=JobSerializer(many=True),
        about=_VISIBLE,
    )
    def get(self, request: Request) -> Response:
        rows = jobs_list(self.access, **self.read_query(JobFilter))
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([job_payload(job) for job in page])


class JobView(_JobsApiView):
    @operation(
        "jobs_read",
        "Read a job with its log",
        scope=None,
        answer=JobDetailSerializer,
        errors=(404,),
        about=_VISIBLE,
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(job_detail(job_by_id(self.access, job_id)))


class JobCancelView(_JobsApiView):
    @operation(
        "jobs_cancel",
        "Cancel a job",
        scope=None,
        answer=JobSerializer,
        errors=(404, 409),
        about="A waiting job ends at once. A running job ends at its next step: read it again. "
        + _VISIBLE,
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        job = job_cancel(job=job_by_id(self.access, job_id), actor=self.actor)
        return Response(job_payload(job))
