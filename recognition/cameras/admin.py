"""Cameras and how they are doing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.cameras.models import Camera
from recognition.cameras.selectors import strangers
from recognition.cameras.services.cameras import camera_create, camera_delete, camera_update
from recognition.cameras.sources import KINDS, address_help
from recognition.web.admin.services import ServiceAdmin

_STATUS_COLOURS = {
    Camera.Status.OFF: "default",
    Camera.Status.WAITING: "warning",
    Camera.Status.RUNNING: "success",
    Camera.Status.STARTING: "info",
    Camera.Status.FAILED: "danger",
}


@admin.register(Camera)
class CameraAdmin(ServiceAdmin, LongListAdmin):
    when_empty = (
        "Add a camera that the server plays, or use the camera of your device on the live page."
    )
    list_display = ("name", "kind", "collection", "is_enabled", "status_label", "status_message")
    list_filter = ("kind", "collection", "is_enabled", "status")
    sortable_by = ("name",)
    search_fields = ("name",)
    readonly_fields = ("status", "status_message", "owner")

    def get_fieldsets(self, request: HttpRequest, obj: Camera | None = None) -> Any:
        state = [("State", {"fields": ("status", "status_message", "owner")})] if obj else []
        return [
            (None, {"fields": ("name", "collection", "kind", "address", "node", "is_enabled")}),
            ("Frames", {"fields": ("max_fps", "min_face_px", "loops", "answers")}),
            *state,
        ]

    def get_form(self, request: HttpRequest, obj: Camera | None = None, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {"address": address_help()}
        return super().get_form(request, obj, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a hint of senders that are no camera yet."""
        for sender in strangers() if self.has_add_permission(request) else []:
            messages.info(
                request,
                f"A sender named {sender.name!r} was seen on {sender.node}: add a camera of the "
                f"kind {KINDS[sender.kind].title!r} with this name as its address.",
            )
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Camera]:
        return super().get_queryset(request).prefetch_related("collection")

    @display(description="Status", label=_STATUS_COLOURS)
    def status_label(self, camera: Camera) -> tuple[str, str]:
        return camera.status, camera.get_status_display()

    def save_model(self, request: HttpRequest, obj: Camera, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            camera_update(camera=obj, actor=actor, **changes)
        else:
            created = camera_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Camera) -> None:
        camera_delete(camera=obj, actor=Actor.of_request(request))
