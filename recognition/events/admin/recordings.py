"""Recordings: a video dropped on a page, the progress of its analysis, and its visits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from unfold.decorators import display

from accounts.access import Scope, access_of
from accounts.audit import Actor
from recognition.bulk.services.archives import PIECE_BYTES
from recognition.cameras.models import Camera
from recognition.events.models import Event, Recording
from recognition.events.services.recordings import recording_cancel, recording_delete
from recognition.people.models import Collection
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.boundaries import TemplateContext

_SHOWN = 100


@admin.register(Recording)
class RecordingAdmin(ServiceAdmin):
    when_empty = "Drop a video: its visits are found as fast as this machine can."
    list_display = ("name", "collection", "camera", "recorded_at", "state_now", "created_by")
    list_filter = ("collection", "state")
    list_select_related = ("collection", "camera", "job")
    list_per_page = 50

    @display(description="State", ordering="state")
    def state_now(self, recording: Recording) -> str:
        if recording.job is None:
            return recording.get_state_display()
        return render_to_string("jobs/progress.html", {"job": recording.job})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Where a video is dropped. Its script sends it over REST."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            messages.error(request, "Sending a recording needs scripts in the browser.")
        context = self._context(
            request,
            title="Analyse a recording",
            collections=Collection.objects.all(),
            cameras=Camera.objects.select_related("collection"),
            piece_bytes=PIECE_BYTES,
            most_gb=settings.MAX_IMPORT_GB,
            kept_days=settings.RECORDINGS_KEPT_DAYS,
        )
        return render(request, "events/recording_new.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        """How far it is, and its visits."""
        recording = self.get_object(request, object_id)
        if not self.has_view_permission(request, recording):
            raise PermissionDenied
        if recording is None:
            raise Http404
        if request.method == "POST":
            return self._cancel(request, recording)
        job = recording.job
        context = self._context(
            request,
            title=recording.name,
            recording=recording,
            events=_visits(recording),
            shown=_SHOWN,
            may_cancel=job is not None and job.is_open and not job.cancel_requested,
        )
        return render(request, "events/recording.html", context)

    def get_actions(self, request: HttpRequest) -> dict:
        return {}

    def delete_model(self, request: HttpRequest, obj: Recording) -> None:
        recording_delete(recording=obj, actor=Actor.of_request(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        lines = [f"{recording.name}: with its video. Its events stay." for recording in objs]
        return lines, {"recordings": len(lines)}, set(), []

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """The audit log has it."""

    def _cancel(self, request: HttpRequest, recording: Recording) -> HttpResponse:
        if not access_of(request).may(Scope.ENROL):
            raise PermissionDenied
        with refusals_shown(request):
            recording_cancel(recording=recording, actor=Actor.of_request(request))
            messages.success(request, "It stops at its next frame.")
        return redirect(request.get_full_path())

    def _context(self, request: HttpRequest, **values: Any) -> TemplateContext:
        return {**self.admin_site.each_context(request), "opts": self.opts, **values}


def _visits(recording: Recording) -> list[Event]:
    """The first ones, in the order of the recording."""
    if recording.stream_id is None:
        return []
    events = Event.objects.filter(stream=recording.stream_id).select_related("person")
    return list(events.defer("vector").order_by("started_at")[:_SHOWN])
