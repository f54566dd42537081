"""Events: who was where, with the picture."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from accounts.audit import Actor
from recognition.admin.pictures import event_face_url, event_snapshot_url, nothing, picture
from recognition.models import Event
from recognition.services.events import event_delete

_DECISION_COLOURS = {
    Event.Decision.MATCH: "success",
    Event.Decision.UNKNOWN: "warning",
    Event.Decision.AMBIGUOUS: "info",
}


@admin.register(Event)
class EventAdmin(ModelAdmin):
    list_display = (
        "face_thumbnail",
        "who",
        "decision_label",
        "similarity_text",
        "camera",
        "collection",
        "started_at",
        "ended_at",
        "review",
    )
    list_display_links = ("face_thumbnail", "who")
    list_filter = (
        "decision",
        "collection",
        "camera",
        "review",
        ("started_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("person", "camera", "collection")
    search_fields = ("person__name", "person__external_id", "camera__name")
    date_hierarchy = "started_at"
    fields = (
        "snapshot_picture",
        "face_picture",
        "person",
        "decision",
        "similarity_text",
        "false_match_rate",
        "camera",
        "collection",
        "started_at",
        "ended_at",
        "is_open",
        "quality",
        "model",
        "review",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple:
        return tuple(name for name in self.fields if name != "review")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # events come from cameras

    @display(description="")
    def face_thumbnail(self, event: Event) -> SafeString:
        if not event.face:
            return nothing("no picture")
        return picture(event_face_url(event.pk), alt="face")

    @display(description="Face")
    def face_picture(self, event: Event) -> SafeString:
        if not event.face:
            return nothing("no picture")
        return picture(event_face_url(event.pk), alt="face", css="fr-face")

    @display(description="Snapshot")
    def snapshot_picture(self, event: Event) -> SafeString:
        if not event.snapshot:
            return nothing("no picture")
        return picture(event_snapshot_url(event.pk), alt="snapshot", css="fr-snapshot")

    @display(description="Who", ordering="person__name")
    def who(self, event: Event) -> str:
        return event.person.name if event.person else event.get_decision_display()

    @display(description="Decision", label=_DECISION_COLOURS, ordering="decision")
    def decision_label(self, event: Event) -> tuple[str, str]:
        return event.decision, event.get_decision_display()

    @display(description="Similarity", ordering="similarity")
    def similarity_text(self, event: Event) -> str:
        if event.similarity is None:
            return "nobody enrolled"
        return f"{event.similarity:.2f} (needs {event.threshold:.2f})"

    def delete_model(self, request: HttpRequest, obj: Event) -> None:
        event_delete(event=obj, actor=Actor.of_request(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        for event in queryset:
            event_delete(event=event, actor=Actor.of_request(request))
