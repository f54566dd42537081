"""Imports: an archive sent in pieces, enrolled by a job, and its report."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.bulk import selectors
from recognition.bulk.api.pieces import PieceAnswerSerializer, PieceParser, PieceQuery, piece_of
from recognition.bulk.api.serializers import (
    CollectionFilter,
    ImportInput,
    ImportItemSerializer,
    ImportSerializer,
    ItemFilter,
)
from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.payloads import import_payload, item_payload
from recognition.bulk.services import imports as service
from recognition.bulk.services.archives import MOST_PIECE_BYTES, PIECE_BYTES
from recognition.bulk.services.photos import item_enrol
from recognition.bulk.services.report import report_table
from recognition.people.selectors import collection_by_id, collection_or_only
from recognition.web.api.base import ApiView
from recognition.web.api.files import face_file
from recognition.web.api.paging import NewestFirst
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.errors import not_found

_CSV = {(200, "text/csv"): OpenApiTypes.BINARY}


class InOrder(NewestFirst):
    ordering = "number"


class _ImportApiView(ApiView):
    def run(self, import_id: UUID) -> ImportRun:
        return selectors.import_by_id(self.access, import_id)

    def item(self, import_id: UUID, number: int) -> ImportItem:
        item = selectors.item_by_number(self.run(import_id), number)
        if item is None:
            raise not_found("photo of this import")
        return item


class ImportsView(ApiView):
    @operation(
        "imports_list",
        "List imports, the newest first",
        scope=Scope.ENROL,
        parameters=[CollectionFilter],
        answer=ImportSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request) -> Response:
        filters = self.read_query(CollectionFilter)
        if "collection" in filters:
            filters["collection"] = collection_by_id(self.access, filters["collection"]).pk
        page = self.paginate_queryset(selectors.imports_list(self.access, **filters)) or []
        return self.get_paginated_response([import_payload(run) for run in page])

    @operation(
        "imports_create",
        "Begin an import",
        scope=Scope.ENROL,
        request=ImportInput,
        answer=ImportSerializer,
        status=201,
        errors=(404, 422, 507, *WITH_BODY),
        about="Then PUT the ZIP piece by piece, and POST finish. The ZIP holds a folder of photos "
        "for each person; or a CSV with `file` and `name` or `external_id` (and `labels` with `;` "
        "between them, `consent`, `consent_at`); or an export of a collection.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(ImportInput)
        collection = collection_or_only(self.access, values.pop("collection", None))
        run = service.import_create(collection=collection, actor=self.actor, **values)
        return Response(import_payload(run), status=status.HTTP_201_CREATED)


class ImportView(_ImportApiView):
    @operation(
        "imports_read",
        "Read an import",
        scope=Scope.ENROL,
        answer=ImportSerializer,
        errors=(404,),
        about="Cancel it with POST jobs/{id}/cancel of its job.",
    )
    def get(self, request: Request, import_id: UUID) -> Response:
        return Response(import_payload(self.run(import_id)))

    @operation(
        "imports_delete",
        "Delete an import with its archive, its report and its kept photos",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404, 409),
        about="People that it enrolled stay.",
    )
    def delete(self, request: Request, import_id: UUID) -> Response:
        service.import_delete(run=self.run(import_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ImportPiecesView(_ImportApiView):
    parser_classes = [PieceParser]

    @operation(
        "imports_pieces_put",
        "Send the next bytes of the archive",
        scope=Scope.ENROL,
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[PieceQuery],
        answer=PieceAnswerSerializer,
        errors=(404, 409, 507, *WITH_BODY),
        about=f"As the body, at most {MOST_PIECE_BYTES // 2**20} MB; {PIECE_BYTES // 2**20} MB are "
        "a good size. After a failure read the import and go on from `received`; 409 "
        "`wrong_offset` tells it too. A piece that was sent before is answered again.",
    )
    def put(self, request: Request, import_id: UUID) -> Response:
        run = self.run(import_id)
        offset = self.read_query(PieceQuery)["offset"]
        received = service.import_piece(run=run, offset=offset, data=piece_of(request))
        return Response({"received": received})


class ImportFinishView(_ImportApiView):
    @operation(
        "imports_finish",
        "Start the import: all of its archive is here",
        scope=Scope.ENROL,
        answer=ImportSerializer,
        status=202,
        errors=(404, 409, 422),
        about="An archive that is not fit is refused with 422 and gone: not a ZIP, encrypted, with "
        "paths that lead out of it, one that would unpack to far more than it is.",
    )
    def post(self, request: Request, import_id: UUID) -> Response:
        service.import_finish(run=self.run(import_id), actor=self.actor)
        return Response(import_payload(self.run(import_id)), status=status.HTTP_202_ACCEPTED)


class ImportItemsView(_ImportApiView):
    pagination_class = InOrder

    @operation(
        "imports_items_list",
        "List what became of each photo",
        scope=Scope.ENROL,
        parameters=[ItemFilter],
        answer=ImportItemSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request, import_id: UUID) -> Response:
        rows = selectors.items_list(self.run(import_id), **self.read_query(ItemFilter))
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([item_payload(item) for item in page])


class ImportReportView(_ImportApiView):
    @operation(
        "imports_report",
        "The same as CSV",
        scope=Scope.ENROL,
        answer=_CSV,
        errors=(404,),
    )
    def get(self, request: Request, import_id: UUID) -> StreamingHttpResponse:
        return report_table(self.run(import_id), self.actor)


class ImportItemEnrolView(_ImportApiView):
    @operation(
        "imports_items_enrol",
        "Enrol a refused photo after all",
        scope=Scope.ENROL,
        answer=ImportItemSerializer,
        status=201,
        errors=(404, 409, 422, 503, 507),
        about="For `low_quality`, `several_faces` (the largest face counts) and "
        "`looks_like_another_person`. It is in the audit log.",
    )
    def post(self, request: Request, import_id: UUID, number: int) -> Response:
        item = item_enrol(item=self.item(import_id, number), actor=self.actor)
        return Response(item_payload(item), status=status.HTTP_201_CREATED)


class ImportItemFileView(_ImportApiView):
    @operation(
        "imports_items_file",
        "A refused photo that is kept, as it was sent",
        scope=Scope.ENROL,
        answer={(200, "image/jpeg"): OpenApiTypes.BINARY},
        errors=(404,),
    )
    def get(self, request: Request, import_id: UUID, number: int) -> HttpResponse:
        item = self.item(import_id, number)
        return face_file(
            item.picture, owner=item, collection_id=item.run.collection_id, actor=self.actor
        )
