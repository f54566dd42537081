"""Events: read and review them, send their pictures, and enrol the face of an event."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.events.api.serializers import (
    EventFilter,
    EventSerializer,
    ReviewInput,
)
from recognition.events.payloads import event_payload
from recognition.events.selectors import event_by_id, events_list
from recognition.events.services import clips, events
from recognition.events.services import enrolment as event_enrolment
from recognition.events.services.tables import events_table
from recognition.jobs.api.serializers import JobSerializer
from recognition.jobs.payloads import job_payload
from recognition.people import selectors
from recognition.people.api.outcomes import enrolled_answer
from recognition.people.api.serializers.enrolment import EnrolledFaceSerializer, WhoInput
from recognition.web.api.base import ApiView
from recognition.web.api.files import PictureVersion, VideoQuery, face_file, video_file
from recognition.web.api.schema import WITH_BODY, operation

_PICTURE = {(200, "image/jpeg"): OpenApiTypes.BINARY}


class EventsView(ApiView):
    @operation(
        "events_list",
        "List events",
        scope=Scope.EVENTS,
        parameters=[EventFilter],
        answer=EventSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request) -> Response:
        filters = self.read_query(EventFilter)
        rows = events_list(self.access, **filters)
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([event_payload(event) for event in page])


class EventsTableView(ApiView):
    @operation(
        "events_table",
        "Get all events as CSV, with the same filters",
        scope=Scope.EVENTS,
        parameters=[EventFilter],
        answer={(200, "text/csv"): OpenApiTypes.BINARY},
        errors=(404,),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        events_ = events_list(self.access, **self.read_query(EventFilter))
        return events_table(events_, self.actor)


class EventView(ApiView):
    @operation(
        "events_read", "Read an event", scope=Scope.EVENTS, answer=EventSerializer, errors=(404,)
    )
    def get(self, request: Request, event_id: UUID) -> Response:
        return Response(event_payload(event_by_id(self.access, event_id)))

    @operation(
        "events_review",
        "Review an event",
        scope=Scope.ENROL,
        request=ReviewInput,
        answer=EventSerializer,
        errors=(404, 503, *WITH_BODY),
        ignores_own=True,
        about="If the name of a face is rejected, a face that is more similar to it than to the "
        "person's own images does not get that name again: in live streams, by `identify` and by "
        "`verify`. This ends when the rejection is removed or the event is deleted.",
    )
    def patch(self, request: Request, event_id: UUID) -> Response:
        event = event_by_id(self.access, event_id)
        review = self.read(ReviewInput)["review"]
        event = events.event_review(event=event, review=review, actor=self.actor)
        return Response(event_payload(event))

    @operation(
        "events_delete",
        "Delete an event with its pictures",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, event_id: UUID) -> Response:
        event = event_by_id(self.access, event_id)
        events.event_delete(event=event, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EventSnapshotView(ApiView):
    @operation(
        "events_snapshot",
        "Get the frame of an event as a JPEG",
        scope=Scope.EVENTS,
        parameters=[PictureVersion],
        answer=_PICTURE,
        errors=(404,),
    )
    def get(self, request: Request, event_id: UUID) -> HttpResponse:
        event = event_by_id(self.access, event_id)
        return face_file(
            event.snapshot, owner=event, collection_id=event.collection_id, actor=self.actor
        )


class EventFaceView(ApiView):
    @operation(
        "events_face",
        "Get the best face of an event as a JPEG",
        scope=Scope.EVENTS,
        parameters=[PictureVersion],
        answer=_PICTURE,
        errors=(404,),
    )
    def get(self, request: Request, event_id: UUID) -> HttpResponse:
        event = event_by_id(self.access, event_id)
        return face_file(
            event.face, owner=event, collection_id=event.collection_id, actor=self.actor
        )


class EventClipView(ApiView):
    @operation(
        "events_clip",
        "Get the clip of an event as an MP4",
        scope=Scope.EVENTS,
        parameters=[VideoQuery],
        answer={(200, "video/mp4"): OpenApiTypes.BINARY, (206, "video/mp4"): OpenApiTypes.BINARY},
        errors=(404, 416),
        about="A part of it is answered 206, if the header `Range` names one.",
    )
    def get(self, request: Request, event_id: UUID) -> StreamingHttpResponse:
        event = event_by_id(self.access, event_id)
        clip = clips.clip_of(event)
        return video_file(
            clip.file,
            owner=clip,
            person_id=event.person_id,
            collection_id=event.collection_id,
            actor=self.actor,
            # Nothing tells two versions apart, so a condition on one is never met.
            wanted="" if "If-Range" in request.headers else request.headers.get("Range", ""),
            name=f"{event.started_at:%Y-%m-%d %H-%M-%S}.mp4",
            as_attachment=self.read_query(VideoQuery)["download"],
        )


class EventClipConvertView(ApiView):
    @operation(
        "events_clip_convert",
        "Make the clip of an event playable",
        scope=Scope.ENROL,
        answer=JobSerializer,
        status=202,
        errors=(404, 409),
        about="A job encodes it again in H.264, once; the clip takes the place of the one before.",
    )
    def post(self, request: Request, event_id: UUID) -> Response:
        event = event_by_id(self.access, event_id)
        job = clips.clip_convert(event=event, actor=self.actor)
        return Response(job_payload(job), status=status.HTTP_202_ACCEPTED)


class EventEnrolView(ApiView):
    @operation(
        "events_enrol",
        "Enrol the face of an event",
        scope=Scope.ENROL,
        request=WhoInput,
        answer=EnrolledFaceSerializer,
        status=201,
        errors=(404, 409, 422, 503, 507, *WITH_BODY),
        about="The face is enrolled as a new person (`name`) or for an existing one (`person`). "
        "The event gets this name, too.",
    )
    def post(self, request: Request, event_id: UUID) -> Response:
        event = event_by_id(self.access, event_id)
        values = self.read(WhoInput)
        known = values.get("person")
        person, outcome = event_enrolment.event_enrol(
            event=event,
            person=selectors.person_by_id(self.access, known) if known else None,
            name=values.get("name"),
            actor=self.actor,
        )
        return Response(enrolled_answer(person, outcome), status=status.HTTP_201_CREATED)
