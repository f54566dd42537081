"""Events: who was where, with the picture."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audit import Actor
from accounts.filters import BetweenFilter
from accounts.long_lists import LongListAdmin
from accounts.names import validate_visible
from recognition.cameras.models import Camera
from recognition.events.models import Event
from recognition.events.selectors import with_person_among
from recognition.events.services.enrolment import event_enrol
from recognition.events.services.events import event_delete, event_review
from recognition.people.models import Person
from recognition.people.selectors import persons_found
from recognition.web.admin.actions import done_each
from recognition.web.admin.pictures import event_face_url, event_snapshot_url, nothing, picture
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.boundaries import CheckedFields

_DECISION_COLOURS = {
    Event.Decision.MATCH: "success",
    Event.Decision.UNKNOWN: "warning",
    Event.Decision.AMBIGUOUS: "info",
}
_REVIEW_COLOURS = {
    Event.Review.NONE: "default",
    Event.Review.CONFIRMED: "success",
    Event.Review.REJECTED: "danger",
}


class EnrolForm(forms.Form):
    """Whom the face of an event belongs to."""

    name = forms.CharField(
        label="Somebody new",
        max_length=200,
        required=False,
        validators=[validate_visible],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Name"}),
    )
    person = forms.ModelChoiceField(
        Person.objects.none(),
        label="Somebody who is there",
        required=False,
        # It searches: a gallery may have more people than a list can hold.
        widget=AutocompleteSelect(Event._meta.get_field("person"), admin.site),
    )

    def __init__(self, *args: Any, event: Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Person.objects.filter(collection=event.collection_id)
        self.fields["person"].queryset = people  # type: ignore[attr-defined]

    def clean(self) -> None:
        if bool(self.cleaned_data.get("name")) == bool(self.cleaned_data.get("person")):
            raise forms.ValidationError("Give a name, or choose a person.")


def name_of(event: Event) -> str:
    """Whom an event shows, in words: a match without a person is of somebody who was erased."""
    if event.person is not None:
        return event.person.name
    return "erased" if event.decision == Event.Decision.MATCH else "nobody known"


@admin.register(Event)
class EventAdmin(ServiceAdmin, LongListAdmin):
    list_display = (
        "face_thumbnail",
        "who",
        "decision_label",
        "similarity_text",
        "camera",
        "collection",
        "started_at",
        "lasted",
        "review_label",
    )
    list_display_links = ("face_thumbnail", "who")
    list_filter = (
        "decision",
        "collection",
        "camera",
        "review",
        ("started_at", BetweenFilter),
    )
    list_filter_submit = True
    # Either may be missing, so these joins do not change the order in which rows are read.
    list_select_related = ("person", "camera")
    search_fields = ("person__search_text", "camera__name")
    search_help_text = "A person's name, external id or label, or the name of a camera"
    actions = ("confirm_events", "reject_events")
    actions_detail = ("enrol_face",)
    fields = (
        "pictures",
        "who_link",
        "decision",
        "similarity_text",
        "false_match_text",
        "camera",
        "collection",
        "started_at",
        "ended_at",
        "is_open",
        "quality",
        "model",
        "review",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("vector").prefetch_related("collection")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if search_term:
            people = persons_found(Person.objects.all(), search_term)
            cameras = Camera.objects.filter(name__icontains=search_term).values_list(
                "pk", flat=True
            )
            queryset, is_of_them = with_person_among(queryset, people)
            queryset = queryset.filter(is_of_them | Q(camera__in=list(cameras)))
        return queryset, False

    def get_readonly_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple:
        return tuple(name for name in self.fields if name != "review")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # events come from cameras

    @display(description="")
    def face_thumbnail(self, event: Event) -> SafeString:
        if not event.face:
            return nothing("no picture")
        return picture(event_face_url(event.pk), alt="face")

    @display(description="Face and frame")
    def pictures(self, event: Event) -> SafeString:
        face, frame = event_face_url(event.pk), event_snapshot_url(event.pk)
        return format_html(
            '<div class="fr-pictures">{}{}</div>',
            picture(face, alt="face", css="fr-face") if event.face else nothing("no picture"),
            picture(frame, alt="frame", css="fr-snapshot") if event.snapshot else "",
        )

    @display(description="Who")
    def who(self, event: Event) -> str:
        return name_of(event)

    @display(description="Who")
    def who_link(self, event: Event) -> str | SafeString:
        if event.person is None:
            return name_of(event)
        url = reverse("admin:people_person_change", args=[event.person_id])
        return format_html('<a class="fr-link" href="{}">{}</a>', url, event.person.name)

    @display(description="Decision", label=_DECISION_COLOURS)
    def decision_label(self, event: Event) -> tuple[str, str]:
        return event.decision, event.get_decision_display()

    @display(description="Lasted")
    def lasted(self, event: Event) -> str:
        if event.is_open:
            return "still there"
        seconds = round((event.ended_at - event.started_at).total_seconds())
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"

    @display(description="Review", label=_REVIEW_COLOURS)
    def review_label(self, event: Event) -> tuple[str, str]:
        return event.review, event.get_review_display()

    @display(description="Similarity")
    def similarity_text(self, event: Event) -> str:
        if event.similarity is None:
            return "nobody enrolled"
        return f"{event.similarity:.2f} (needs {event.threshold:.2f})"

    @display(description="False matches at it")
    def false_match_text(self, event: Event) -> str:
        """How often two strangers are as alike."""
        rate = event.false_match_rate
        if rate is None:
            return "not known"
        return f"1 in {1 / rate:,.0f} comparisons of strangers" if rate > 1e-12 else "hardly ever"

    def save_model(self, request: HttpRequest, obj: Event, form: Any, change: bool) -> None:  # noqa: FBT001
        # One field, and not the row: a camera may be updating it.
        if "review" in form.changed_data:
            event_review(event=obj, review=obj.review, actor=Actor.of_request(request))

    def delete_model(self, request: HttpRequest, obj: Event) -> None:
        event_delete(event=obj, actor=Actor.of_request(request))

    @admin.action(description="Confirm", permissions=["change"])
    def confirm_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._review(request, queryset, Event.Review.CONFIRMED)

    @admin.action(description="Reject", permissions=["change"])
    def reject_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._review(request, queryset, Event.Review.REJECTED)

    def _review(self, request: HttpRequest, queryset: QuerySet[Event], review: str) -> None:
        actor = Actor.of_request(request)
        count = done_each(
            request, queryset, lambda each: event_review(event=each, review=review, actor=actor)
        )
        messages.success(request, f"{count} reviewed.")

    @action(
        description="Enrol this face",
        url_path="enrol-face",
        icon="person_add",
        permissions=["change"],
    )
    def enrol_face(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        event = self.row_or_404(request, object_id)
        return redirect(reverse("admin:events_event_enrol", args=[event.pk]))

    def get_urls(self) -> list[URLPattern]:
        enrol = path(
            "<uuid:event_id>/enrol/",
            self.admin_site.admin_view(self.enrol_view),
            name="events_event_enrol",
        )
        return [enrol, *super().get_urls()]

    def enrol_view(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Give the face of an event to somebody, who is recognised by it from then on."""
        event = get_object_or_404(Event, pk=event_id)
        if not self.has_change_permission(request, event):
            raise PermissionDenied
        form = EnrolForm(request.POST if request.method == "POST" else None, event=event)
        if form.is_valid():
            with refusals_shown(request):
                if (person := _enrol(request, event, form.cleaned_data)) is not None:
                    return redirect("admin:people_person_change", person.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Enrol this face",
            "opts": self.opts,
            "event": event,
            "form": form,
            "media": self.media + form.media,
        }
        return render(request, "events/enrol_face.html", context)


def _enrol(request: HttpRequest, event: Event, who: CheckedFields) -> Person | None:
    """Who it is now; None, and a message, where the face was refused."""
    person, outcome = event_enrol(
        event=event,
        person=who["person"],
        name=who["name"] or None,
        actor=Actor.of_request(request),
    )
    if not outcome.accepted or person is None:
        messages.error(request, outcome.message)
        return None
    messages.success(request, f"The face is enrolled as {person.name}.")
    return person
