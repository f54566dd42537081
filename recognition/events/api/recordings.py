"""Recordings: a video sent in pieces, and analysed by a job."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.bulk.api.pieces import PieceAnswerSerializer, PieceParser, PieceQuery, piece_of
from recognition.bulk.services.archives import MOST_PIECE_BYTES, PIECE_BYTES
from recognition.bulk.services.uploads import upload_piece
from recognition.cameras.selectors import camera_by_id
from recognition.events import selectors
from recognition.events.api.serializers import (
    RecordingFilter,
    RecordingInput,
    RecordingSerializer,
)
from recognition.events.models import Recording
from recognition.events.payloads import recording_payload
from recognition.events.services import recordings as service
from recognition.people.selectors import collection_or_only
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation


class _RecordingApiView(ApiView):
    def recording(self, recording_id: UUID) -> Recording:
        return selectors.recording_by_id(self.access, recording_id)


class RecordingsView(ApiView):
    @operation(
        "recordings_list",
        "List recordings, the newest first",
        scope=Scope.EVENTS,
        parameters=[RecordingFilter],
        answer=RecordingSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request) -> Response:
        rows = selectors.recordings_list(self.access, **self.read_query(RecordingFilter))
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([recording_payload(row) for row in page])

    @operation(
        "recordings_create",
        "Begin a recording",
        scope=Scope.ENROL,
        request=RecordingInput,
        answer=RecordingSerializer,
        status=201,
        errors=(404, 422, 507, *WITH_BODY),
        about="Then PUT the file piece by piece, and POST finish. A job analyses it as if it were "
        "seen live; its events have the time of the recording. MOV, MP4, Matroska, AVI, MPEG-TS; "
        "or a ZIP of pictures, whose files have the times of the pictures.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(RecordingInput)
        collection = collection_or_only(self.access, values.pop("collection", None))
        camera_id = values.pop("camera", None)
        camera = camera_by_id(self.access, camera_id) if camera_id else None
        recording = service.recording_create(
            collection=collection, camera=camera, actor=self.actor, **values
        )
        return Response(recording_payload(recording), status=status.HTTP_201_CREATED)


class RecordingView(_RecordingApiView):
    @operation(
        "recordings_read",
        "Read a recording",
        scope=Scope.EVENTS,
        answer=RecordingSerializer,
        errors=(404,),
        about="Cancel it with POST jobs/{id}/cancel of its job; list its visits with "
        "events?recording={id}.",
    )
    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(recording_payload(self.recording(recording_id)))

    @operation(
        "recordings_delete",
        "Delete a recording with its video; its events stay",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404, 409),
    )
    def delete(self, request: Request, recording_id: UUID) -> Response:
        service.recording_delete(recording=self.recording(recording_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecordingPiecesView(_RecordingApiView):
    parser_classes = [PieceParser]

    @operation(
        "recordings_pieces_put",
        "Send the next bytes of the video",
        scope=Scope.ENROL,
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[PieceQuery],
        answer=PieceAnswerSerializer,
        errors=(404, 409, 507, *WITH_BODY),
        about=f"As for imports: at most {MOST_PIECE_BYTES // 2**20} MB, and "
        f"{PIECE_BYTES // 2**20} MB are a good size.",
    )
    def put(self, request: Request, recording_id: UUID) -> Response:
        recording = self.recording(recording_id)
        offset = self.read_query(PieceQuery)["offset"]
        received = upload_piece(upload=recording, offset=offset, data=piece_of(request))
        return Response({"received": received})


class RecordingFinishView(_RecordingApiView):
    @operation(
        "recordings_finish",
        "Start the analysis: all of the video is here",
        scope=Scope.ENROL,
        answer=RecordingSerializer,
        status=202,
        errors=(404, 409, 422),
        about="A file that cannot be played is refused with 422 and gone.",
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        service.recording_finish(recording=self.recording(recording_id), actor=self.actor)
        started = self.recording(recording_id)
        return Response(recording_payload(started), status=status.HTTP_202_ACCEPTED)
