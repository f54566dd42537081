"""Exports: collections as archives."""

from __future__ import annotations

from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.bulk import selectors
from recognition.bulk.api.serializers import ExportInput, ExportSerializer
from recognition.bulk.payloads import export_payload
from recognition.bulk.services import exports as service
from recognition.people.selectors import collection_or_only
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.streaming import stream


class ExportsView(ApiView):
    @operation(
        "exports_list",
        "List exports, the newest first",
        scope=Scope.MANAGE,
        answer=ExportSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.exports_list(self.access)) or []
        return self.get_paginated_response([export_payload(export) for export in page])

    @operation(
        "exports_create",
        "Export a collection",
        scope=Scope.MANAGE,
        request=ExportInput,
        answer=ExportSerializer,
        status=202,
        errors=(404, *WITH_BODY),
        about="A job writes people, faces, and templates with the version of their model to a ZIP, "
        "which another installation can import. The export is deleted after seven days, or when a "
        "person in it is erased.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(ExportInput)
        collection = collection_or_only(self.access, values.pop("collection", None))
        export = service.export_start(collection=collection, actor=self.actor, **values)
        return Response(export_payload(export), status=status.HTTP_202_ACCEPTED)


class ExportView(ApiView):
    @operation(
        "exports_read", "Read an export", scope=Scope.MANAGE, answer=ExportSerializer, errors=(404,)
    )
    def get(self, request: Request, export_id: UUID) -> Response:
        return Response(export_payload(selectors.export_by_id(self.access, export_id)))

    @operation(
        "exports_delete",
        "Delete an export",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, export_id: UUID) -> Response:
        export = selectors.export_by_id(self.access, export_id)
        service.export_delete(export=export, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExportFileView(ApiView):
    @operation(
        "exports_file",
        "Download an export",
        scope=Scope.MANAGE,
        answer={(200, "application/zip"): OpenApiTypes.BINARY},
        errors=(404, 409),
    )
    def get(self, request: Request, export_id: UUID) -> StreamingHttpResponse:
        export = selectors.export_by_id(self.access, export_id)
        chunks = service.export_chunks(export=export, actor=self.actor)
        name = f"{export.collection.name}-{export.created_at:%Y-%m-%d}.zip"
        response = stream(chunks, name=name, content_type="application/zip")
        response["Content-Length"] = str(export.archive.size if export.archive else 0)
        return response
