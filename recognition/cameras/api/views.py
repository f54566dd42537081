from __future__ import annotations

from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.cameras.api.serializers import (
    CameraInput,
    CameraMinuteSerializer,
    CameraSerializer,
    CameraTestInput,
    CameraTestSerializer,
    MinutesFilter,
    SendersSerializer,
)
from recognition.cameras.models import Camera
from recognition.cameras.selectors import camera_by_id, camera_minutes, cameras_visible, strangers
from recognition.cameras.services import cameras as service
from recognition.cameras.services.trials import camera_test
from recognition.people import selectors
from recognition.people.models import Collection
from recognition.people.selectors import collection_or_only
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.boundaries import CheckedFields


class CamerasView(ApiView):
    @operation(
        "cameras_list",
        "List cameras",
        scope=Scope.IDENTIFY,
        answer=CameraSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        cameras = cameras_visible(self.access).prefetch_related("model")
        return self.paged(cameras, CameraSerializer)

    @operation(
        "cameras_create",
        "Add a camera",
        scope=Scope.MANAGE,
        request=CameraInput,
        answer=CameraSerializer,
        status=201,
        errors=(404, 409, *WITH_BODY),
        ignores_own=True,
        about="`browser`: frames come over the websocket. `file`: a video in the server's folder "
        "of videos is played as a camera; `address` is its name. `rtsp`: a network camera, over "
        "RTSP or HTTP (MJPEG, HLS). `usb`: `address` is a device of `node`, such as /dev/video0. "
        "`imagezmq`: `address` is the name that a sender of ImageZMQ gives to the hub of `node`; "
        "`answers` says what it is answered. `imagezmq_sub`: `address` is tcp://host:port of a "
        "publisher of ImageZMQ. If `clip_after_s` is above 0, each visit to a network camera has a "
        "clip, from `clip_before_s` seconds before it begins.",
    )
    def post(self, request: Request) -> Response:
        values: CheckedFields = self.read(CameraInput)
        collection = collection_or_only(self.access, values.pop("collection", None))
        _find_model(values, collection)
        camera = service.camera_create(collection=collection, actor=self.actor, **values)
        return Response(CameraSerializer(camera).data, status=status.HTTP_201_CREATED)


class CameraTestView(ApiView):
    @operation(
        "cameras_test",
        "Try a camera out without saving it",
        scope=Scope.MANAGE,
        request=CameraTestInput,
        answer=CameraTestSerializer,
        errors=(404, 409, *WITH_BODY),
        about="Plays the camera until its first picture, for 15 seconds at most. A camera that "
        "cannot be played is answered 200 with the reason in words.",
    )
    def post(self, request: Request) -> Response:
        values: CheckedFields = self.read(CameraTestInput)
        camera_id = values.pop("camera", None)
        camera = camera_by_id(self.access, camera_id) if camera_id else Camera()
        trial = camera_test(camera=camera, values=values, actor=self.actor)
        return Response(CameraTestSerializer(trial).data)


class SendersView(ApiView):
    @operation(
        "cameras_senders",
        "List senders of ImageZMQ that are no camera yet",
        scope=Scope.MANAGE,
        answer=SendersSerializer,
        about="Those that sent frames to a hub lately. A key of one collection is shown none.",
    )
    def get(self, request: Request) -> Response:
        return Response(SendersSerializer({"senders": strangers(self.access)}).data)


class CameraView(ApiView):
    @operation(
        "cameras_read",
        "Read a camera",
        scope=Scope.IDENTIFY,
        answer=CameraSerializer,
        errors=(404,),
    )
    def get(self, request: Request, camera_id: UUID) -> Response:
        return Response(CameraSerializer(camera_by_id(self.access, camera_id)).data)

    @operation(
        "cameras_update",
        "Change a camera",
        scope=Scope.MANAGE,
        request=CameraInput(partial=True),
        answer=CameraSerializer,
        errors=(404, 409, *WITH_BODY),
        ignores_own=True,
    )
    def patch(self, request: Request, camera_id: UUID) -> Response:
        camera = camera_by_id(self.access, camera_id)
        changes = self.read(CameraInput, instance=camera, partial=True)
        if "collection" in changes:
            changes["collection"] = selectors.collection_by_id(self.access, changes["collection"])
        _find_model(changes, changes.get("collection", camera.collection))
        changed = service.camera_update(camera=camera, actor=self.actor, **changes)
        return Response(CameraSerializer(changed).data)

    @operation(
        "cameras_delete",
        "Remove a camera; its events stay",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, camera_id: UUID) -> Response:
        camera = camera_by_id(self.access, camera_id)
        service.camera_delete(camera=camera, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CameraMinutesView(ApiView):
    @operation(
        "cameras_minutes",
        "How a camera's frames were answered, by the minute",
        scope=Scope.IDENTIFY,
        parameters=[MinutesFilter],
        answer=CameraMinuteSerializer(many=True),
        errors=(404,),
        about="One row a minute while the camera plays; kept for 7 days.",
    )
    def get(self, request: Request, camera_id: UUID) -> Response:
        camera = camera_by_id(self.access, camera_id)
        rows = camera_minutes(camera, **self.read_query(MinutesFilter))
        return self.paged(rows, CameraMinuteSerializer)


def _find_model(values: CheckedFields, collection: Collection) -> None:
    """Replace the name of a model by its row."""
    if values.get("model") is not None:
        values["model"] = selectors.model_named(collection, values["model"])
