"""Cameras and how they are doing."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recognition.models import Camera

_STATUS_COLOURS = {
    Camera.Status.RUNNING: "success",
    Camera.Status.STARTING: "info",
    Camera.Status.FAILED: "danger",
}


@admin.register(Camera)
class CameraAdmin(ModelAdmin):
    list_display = ("name", "kind", "collection", "is_enabled", "status_label", "status_message")
    list_filter = ("kind", "collection", "is_enabled", "status")
    list_select_related = ("collection",)
    search_fields = ("name",)
    readonly_fields = ("status_label", "status_message")
    fieldsets = (
        (None, {"fields": ("name", "collection", "kind", "address", "is_enabled")}),
        ("Frames", {"fields": ("max_fps", "min_face_px", "loops")}),
        ("State", {"fields": ("status_label", "status_message")}),
    )

    @display(description="Status", label=_STATUS_COLOURS, ordering="status")
    def status_label(self, camera: Camera) -> tuple[str, str]:
        return camera.status, camera.get_status_display()
