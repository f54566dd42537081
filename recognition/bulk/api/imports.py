"""Imports: receive an archive in pieces, start the job that enrols it, and show its report."""

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
from recognition.bulk.payloads import import_payload, import_payloads, item_payload
from recognition.bulk.services import imports as service
from recognition.bulk.services.archives import MOST_PIECE_BYTES, PIECE_BYTES
from recognition.bulk.services.photos import item_enrol
from recognition.bulk.services.report import report_table
from recognition.bulk.services.uploads import upload_piece
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
        return self.get_paginated_response(import_payloads(page))

    @operation(
        "imports_create",
        "Begin an import",
        scope=Scope.ENROL,
        request=ImportInput,
        answer=ImportSerializer,
        status=201,
        errors=(404, 422, 507, *WITH_BODY),
        about="Next, PUT the ZIP piece by piece, then POST finish. The ZIP contains a folder of "
        "photos for each person; or photos and a CSV with `file` and `name` or `external_id` "
        "(optionally `labels` separated by `;`, `consent`, `consent_at`); or an export of a "
        "collection.",
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
        about="To cancel it, cancel its job with POST jobs/{id}/cancel.",
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
        about=f"The body is the piece: at most {MOST_PIECE_BYTES // 2**20} MB; "
        f"{PIECE_BYTES // 2**20} MB is a good size. After a failure, read the import and continue "
        "from `received`; the error 409 `wrong_offset` has it, too. If a piece is sent twice, the "
        "second answer is the same as the first.",
    )
    def put(self, request: Request, import_id: UUID) -> Response:
        run = self.run(import_id)
        offset = self.read_query(PieceQuery)["offset"]
        received = upload_piece(upload=run, offset=offset, data=piece_of(request))
        return Response({"received": received})


class ImportFinishView(_ImportApiView):
    @operation(
        "imports_finish",
        "Start the import, after all pieces are sent",
        scope=Scope.ENROL,
        answer=ImportSerializer,
        status=202,
        errors=(404, 409, 422),
        about="A bad archive is refused with 422 and deleted: not a ZIP, encrypted, with paths "
        "that lead out of it, or with contents that are far larger than the archive.",
    )
    def post(self, request: Request, import_id: UUID) -> Response:
        service.import_finish(run=self.run(import_id), actor=self.actor)
        return Response(import_payload(self.run(import_id)), status=status.HTTP_202_ACCEPTED)


class ImportItemsView(_ImportApiView):
    pagination_class = InOrder

    @operation(
        "imports_items_list",
        "List the outcome of each photo",
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
        "Get the outcomes as CSV",
        scope=Scope.ENROL,
        answer=_CSV,
        errors=(404,),
    )
    def get(self, request: Request, import_id: UUID) -> StreamingHttpResponse:
        return report_table(self.run(import_id), self.actor)


class ImportItemEnrolView(_ImportApiView):
    @operation(
        "imports_items_enrol",
        "Enrol a photo in spite of its refusal",
        scope=Scope.ENROL,
        answer=ImportItemSerializer,
        status=201,
        errors=(404, 409, 422, 503, 507),
        about="Only for the refusals `low_quality`, `several_faces` (the largest face is enrolled) "
        "and `looks_like_another_person`. It is written to the audit log.",
    )
    def post(self, request: Request, import_id: UUID, number: int) -> Response:
        item = item_enrol(item=self.item(import_id, number), actor=self.actor)
        return Response(item_payload(item), status=status.HTTP_201_CREATED)


class ImportItemFileView(_ImportApiView):
    @operation(
        "imports_items_file",
        "Get a refused photo that is kept, unchanged",
        scope=Scope.ENROL,
        answer={(200, "image/jpeg"): OpenApiTypes.BINARY},
        errors=(404,),
    )
    def get(self, request: Request, import_id: UUID, number: int) -> HttpResponse:
        item = self.item(import_id, number)
        return face_file(
            item.picture, owner=item, collection_id=item.run.collection_id, actor=self.actor
        )
