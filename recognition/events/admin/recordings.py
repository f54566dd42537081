"""Recordings: a video dropped on a page, the progress of its analysis, and its visits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import Scope, access_of
from accounts.audit import Actor
from recognition.bulk.admin.uploads import UploadAdmin
from recognition.cameras.models import Camera
from recognition.events.models import Event, Recording
from recognition.events.services.recordings import recording_cancel, recording_delete
from recognition.web.admin.services import refusals_shown, row_to_view
from recognition.web.boundaries import TemplateContext

_SHOWN = 100


@admin.register(Recording)
class RecordingAdmin(UploadAdmin):
    needs_scripts = "Sending a recording needs scripts in the browser."
    when_empty = "Drop a video: its visits are found as fast as this machine can."
    list_display = ("name", "collection", "camera", "recorded_at", "state_now", "created_by")
    list_filter = ("collection", "state")
    list_select_related = ("collection", "camera", "job")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self.page_to_drop(
            request,
            "events/recording_new.html",
            title="Analyse a recording",
            cameras=Camera.objects.select_related("collection"),
            kept_days=settings.RECORDINGS_KEPT_DAYS,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        """How far it is, and its visits."""
        recording = row_to_view(self, request, object_id)
        if request.method == "POST":
            return self._cancel(request, recording)
        context = self.context(
            request,
            title=recording.name,
            recording=recording,
            events=_visits(recording),
            shown=_SHOWN,
            may_cancel=recording.may_be_cancelled,
        )
        return render(request, "events/recording.html", context)

    def delete_model(self, request: HttpRequest, obj: Recording) -> None:
        recording_delete(recording=obj, actor=Actor.of_request(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        lines = [f"{recording.name}: with its video. Its events stay." for recording in objs]
        return lines, {"recordings": len(lines)}, set(), []

    def _cancel(self, request: HttpRequest, recording: Recording) -> HttpResponse:
        if not access_of(request).may(Scope.ENROL):
            raise PermissionDenied
        with refusals_shown(request):
            recording_cancel(recording=recording, actor=Actor.of_request(request))
            messages.success(request, "It stops at its next frame.")
        return redirect(request.get_full_path())


def _visits(recording: Recording) -> list[Event]:
    """The first ones, in the order of the recording."""
    if recording.stream_id is None:
        return []
    events = Event.objects.filter(stream=recording.stream_id).select_related("person")
    return list(events.defer("vector").order_by("started_at")[:_SHOWN])
