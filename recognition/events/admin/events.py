"""Events in the admin: who was where, with pictures, and their review."""

from __future__ import annotations

from copy import copy
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display

from accounts.audit import Actor
from accounts.filters import BetweenFilter
from accounts.long_lists import LongListAdmin
from recognition.cameras.models import Camera
from recognition.events.admin.reviewing import review_and_tell, undo_last
from recognition.events.models import Event
from recognition.events.selectors import matched_image, with_person_among
from recognition.events.services.clips import clip_convert
from recognition.events.services.events import event_delete
from recognition.events.services.tables import events_table
from recognition.people.models import Person
from recognition.people.selectors import persons_found
from recognition.web.admin.pictures import event_face_url, nothing, picture
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.boundaries import TemplateContext

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


@admin.register(Event)
class EventAdmin(ServiceAdmin, LongListAdmin):
    when_empty = "Start a camera on the live page. Each visit of a face becomes one event."
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
    actions = ("confirm_events", "reject_events", "download_events")
    change_form_outer_before_template = "events/review.html"
    fields = (
        "decision",
        "similarity_text",
        "false_match_text",
        "camera",
        "collection",
        "started_at",
        "lasted",
        "quality_text",
        "decided_by",
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
        return self.fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # events come from cameras

    @display(description="")
    def face_thumbnail(self, event: Event) -> SafeString:
        if not event.face:
            return nothing("no picture")
        return picture(event_face_url(event.pk), alt="face")

    @display(description="Who")
    def who(self, event: Event) -> str:
        return event.who

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
        return event.score_text

    @display(description="Quality of the picture", ordering="quality")
    def quality_text(self, event: Event) -> str:
        return f"{event.quality:.2f}"

    @display(description="False match rate")
    def false_match_text(self, event: Event) -> str:
        """How often strangers reach this similarity."""
        rate = event.false_match_rate
        if event.is_named_by_hand:
            return "named by hand"
        if rate is None:
            return "not known"
        told = f"1 in {1 / rate:,.0f} comparisons of strangers"
        return told if rate > 1e-12 else "almost never"

    def delete_model(self, request: HttpRequest, obj: Event) -> None:
        event_delete(event=obj, actor=Actor.of_request(request))

    @admin.action(description="Download as CSV", permissions=["view"])
    def download_events(
        self, request: HttpRequest, queryset: QuerySet[Event]
    ) -> StreamingHttpResponse:
        chosen = Event.objects.filter(pk__in=queryset.order_by().values("pk"))
        return events_table(chosen, Actor.of_request(request))

    @admin.action(description="Confirm", permissions=["change"])
    def confirm_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._review(request, queryset, Event.Review.CONFIRMED)

    @admin.action(description="Reject", permissions=["change"])
    def reject_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._review(request, queryset, Event.Review.REJECTED)

    def _review(self, request: HttpRequest, queryset: QuerySet[Event], review: str) -> None:
        review_and_tell(request, queryset.select_related("person"), review)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<uuid:event_id>/review/",
                self.admin_site.admin_view(self.review_view),
                name="events_event_review",
            ),
            path(
                "<uuid:event_id>/convert-clip/",
                self.admin_site.admin_view(self.convert_clip_view),
                name="events_event_convert_clip",
            ),
            path(
                "undo-review/",
                self.admin_site.admin_view(self.undo_view),
                name="events_event_undo_review",
            ),
        ]
        return [*own, *super().get_urls()]

    @method_decorator(require_POST)
    def review_view(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Called by the buttons on the page of an event."""
        event = get_object_or_404(Event.objects.select_related("person"), pk=event_id)
        if not self.has_change_permission(request, event):
            raise PermissionDenied
        review = request.POST.get("review", "")
        if review in Event.Review.values:
            review_and_tell(request, [event], review)
        return _back(request, reverse("admin:events_event_change", args=[event_id]))

    @method_decorator(require_POST)
    def convert_clip_view(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Called by the button below a clip that browsers do not play."""
        event = get_object_or_404(Event.objects.select_related("clip"), pk=event_id)
        if not self.has_change_permission(request, event):
            raise PermissionDenied
        with refusals_shown(request):
            clip_convert(event=event, actor=Actor.of_request(request))
            messages.success(request, "The clip is being encoded: it plays here in a moment.")
        return _back(request, reverse("admin:events_event_change", args=[event_id]))

    @method_decorator(require_POST)
    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """Restore the reviews that the last reviewed events had before."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        undo_last(request)
        return _back(request, reverse("admin:events_event_changelist"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        """The page for reviewing an event. Its buttons are beside the pictures, and it has no form
        to save."""
        event = self.get_object(request, unquote(object_id))
        extra: TemplateContext = dict.fromkeys(
            ("show_save", "show_save_and_continue", "show_save_and_add_another"), False
        )
        if event is not None:
            extra |= self._pages_beside(request, event) | {
                "may_review": self.has_change_permission(request, event),
                "matched": matched_image(event),
                "filters": request.GET.get("_changelist_filters", ""),
            }
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def _pages_beside(self, request: HttpRequest, event: Event) -> TemplateContext:
        """The next newer and next older event in the list that the page was opened from."""
        of_list = copy(request)
        of_list.GET = QueryDict(request.GET.get("_changelist_filters", ""))
        try:
            rows = self.get_changelist_instance(of_list).queryset
        except IncorrectLookupParameters:
            rows = Event.objects.all()
        ids = rows.order_by().values_list("pk", flat=True)
        return {
            "newer": ids.filter(pk__gt=event.pk).order_by("pk").first(),
            "older": ids.filter(pk__lt=event.pk).order_by("-pk").first(),
        }


def _back(request: HttpRequest, default: str) -> HttpResponse:
    """Redirect to the page that the form is on."""
    there = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(there, {request.get_host()}, request.is_secure())
    return redirect(there if is_ours else default)
