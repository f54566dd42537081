"""Cameras and how they are doing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.access import access_of_user
from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.cameras.models import Camera
from recognition.cameras.selectors import strangers
from recognition.cameras.services.cameras import camera_create, camera_delete, camera_update
from recognition.cameras.sources import KINDS, address_help
from recognition.web.admin.services import ServiceAdmin
from recognition.web.boundaries import ColumnValues

_STATUS_COLOURS = {
    Camera.Status.OFF: "default",
    Camera.Status.WAITING: "warning",
    Camera.Status.RUNNING: "success",
    Camera.Status.STARTING: "info",
    Camera.Status.FAILED: "danger",
}


class SecretField(forms.CharField):
    """Shows nothing of what is stored; left empty, it changes nothing."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        super().__init__(required=False, strip=False, max_length=100, widget=widget, **options)

    def has_changed(self, initial: object, data: str | None) -> bool:
        return bool(data)


class CameraForm(forms.ModelForm):
    username = SecretField(label="User name")
    password = SecretField()
    forgets_login = forms.BooleanField(
        required=False,
        label="Remove user name and password",
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"username", "password"} & set(self.fields):
            is_set = str(getattr(self.instance, name))
            self.fields[name].help_text = f"{is_set.capitalize()}. Never shown; empty: as it is."

    def changes(self) -> ColumnValues:
        """The values that were entered. Of those that are never shown, only what was typed."""
        values = {name: self.cleaned_data[name] for name in self.changed_data}
        if values.pop("forgets_login", False):
            return {"username": "", "password": ""} | values
        return values


@admin.register(Camera)
class CameraAdmin(ServiceAdmin, LongListAdmin):
    form = CameraForm
    change_form_after_template = "cameras/test.html"
    when_empty = (
        "Add a camera that the server plays, or use the camera of your device on the live page."
    )
    list_display = ("name", "kind", "collection", "is_enabled", "status_label", "status_message")
    list_filter = ("kind", "collection", "is_enabled", "status")
    sortable_by = ("name",)
    search_fields = ("name",)
    readonly_fields = ("page", "status", "status_message", "owner")

    class Media:
        js = (forms.Script("cameras/test.js", type="module"),)

    def get_fieldsets(self, request: HttpRequest, obj: Camera | None = None) -> Any:
        state = (
            [("State", {"fields": ("page", "status", "status_message", "owner")})] if obj else []
        )
        login: tuple[str, ...] = ("username", "password")
        if obj and self.has_change_permission(request, obj):
            login = (*login, "forgets_login")
        return [
            (None, {"fields": ("name", "collection", "kind", "address", "node", "is_enabled")}),
            ("Recognition", {"fields": ("model",)}),
            ("Sign-in at the camera", {"fields": login}),
            ("Frames", {"fields": ("max_fps", "min_face_px", "loops", "answers")}),
            ("Clips of visits", {"fields": ("clip_before_s", "clip_after_s")}),
            *state,
        ]

    def get_form(self, request: HttpRequest, obj: Camera | None = None, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {"address": address_help()}
        return super().get_form(request, obj, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a hint of senders that are no camera yet."""
        access = access_of_user(request.user)
        for sender in strangers(access) if self.has_add_permission(request) else []:
            messages.info(
                request,
                f"A sender named {sender.name!r} was seen on {sender.node}: add a camera of the "
                f"kind {KINDS[sender.kind].title!r} with this name as its address.",
            )
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Camera]:
        return super().get_queryset(request).prefetch_related("collection", "model")

    @display(description="Status", label=_STATUS_COLOURS)
    def status_label(self, camera: Camera) -> tuple[str, str]:
        return camera.status, camera.get_status_display()

    def page(self, camera: Camera) -> str:
        address = reverse("camera-page", args=[camera.pk])
        return format_html('<a href="{}">Picture, areas, figures and visits</a>', address)

    def save_model(self, request: HttpRequest, obj: Camera, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            camera_update(camera=obj, actor=actor, **form.changes())
        else:
            form.cleaned_data.pop("forgets_login", None)
            created = camera_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Camera) -> None:
        camera_delete(camera=obj, actor=Actor.of_request(request))
