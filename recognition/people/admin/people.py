"""People in the admin: the list, the page with photos and visits, and merging and erasing."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import action, display

from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.people.admin.fields import LabelsField
from recognition.people.admin.lookalikes import lookalike_view, lookalikes_listed
from recognition.people.admin.photos import limits, photo_delete_view, photos_view
from recognition.people.models import FaceImage, Person
from recognition.people.selectors import persons_found, persons_labelled
from recognition.people.services.persons import (
    person_create,
    person_erase,
    person_merge,
    person_update,
)
from recognition.people.services.tables import people_table
from recognition.web.admin.actions import confirmation_page, confirmed_rows, done_each
from recognition.web.admin.pictures import image_url, nothing, picture
from recognition.web.admin.services import ServiceAdmin
from recognition.web.boundaries import TemplateContext
from recognition.web.counts import row_count

_MOST_PHOTOS_SHOWN = 200
_MOST_VISITS_SHOWN = 6
# People who are named in the heading of a page about several people.
_MOST_NAMED = 5
_CONSENT_COLOURS = {
    Person.Consent.UNKNOWN: "default",
    Person.Consent.GIVEN: "success",
    Person.Consent.WITHDRAWN: "danger",
}


class LabelFilter(TextFilter):
    title = "label"
    parameter_name = "label"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        return persons_labelled(queryset, self.value()) if self.value() else queryset


class PersonForm(forms.ModelForm):
    labels = LabelsField(required=False, help_text="Separated by commas, such as: staff, vip.")

    class Meta:
        model = Person
        fields = (
            "collection",
            "name",
            "external_id",
            "labels",
            "metadata",
            "consent",
            "consent_at",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Find changes by comparing with the row, not with the initial values in the request.
        for field in self.fields.values():
            field.show_hidden_initial = False

    def clean_external_id(self) -> str | None:
        # An empty string would be an external id, and external ids are unique.
        return self.cleaned_data["external_id"] or None


def _visits(person: Person) -> QuerySet:
    """The person's events, newest first. By the relation: this app must not import events."""
    return person.events.defer("vector").select_related("camera").order_by("-started_at")


@admin.register(Person)
class PersonAdmin(ServiceAdmin, LongListAdmin):
    when_empty = "Add a person and then photos, or drop a photo on Try it and enrol the face there."
    form = PersonForm
    list_display = (
        "thumbnail",
        "name",
        "collection",
        "external_id",
        "labels_text",
        "image_count",
        "last_seen",
        "consent_label",
        "is_active",
    )
    list_display_links = ("thumbnail", "name")
    list_filter = ("collection", LabelFilter, "is_active", "consent")
    list_filter_submit = True
    sortable_by = ("name",)
    # Django shows a search box only if this is not empty. `get_search_results` does the search.
    search_fields = ("search_text",)
    search_help_text = "Part of a name, an external id or a label"
    actions = ("merge_people", "download_people", "erase_people")
    actions_detail = ("add_photos",)
    change_form_outer_before_template = "people/person_photos.html"
    fieldsets = (
        (None, {"fields": ("name", "collection", "is_active")}),
        ("In your own system", {"fields": ("external_id", "labels", "metadata")}),
        ("Consent", {"fields": ("consent", "consent_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        # Subqueries run only for the rows of one page; a join would run for all rows.
        images = FaceImage.objects.filter(person=OuterRef("pk"))
        # By name, because this app must not import events.
        events = Person._meta.get_field("events").related_model._default_manager
        visits = events.filter(person=OuterRef("pk")).order_by("-pk")
        return (
            super()
            .get_queryset(request)
            .prefetch_related("collection")
            .annotate(
                images_total=row_count(images),
                seen=Subquery(visits.values("ended_at")[:1]),
                best_image=Subquery(images.order_by("-quality").values("id")[:1]),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return (persons_found(queryset, search_term) if search_term else queryset), False

    @display(description="")
    def thumbnail(self, person: Any) -> SafeString:
        if person.best_image is None:
            return nothing("no photo yet")
        return picture(image_url(person.best_image), alt=person.name)

    @display(description="Labels")
    def labels_text(self, person: Person) -> str:
        return ", ".join(person.labels)

    @display(description="Photos")
    def image_count(self, person: Any) -> int:
        return person.images_total

    @display(description="Last seen")
    def last_seen(self, person: Any) -> object:
        return person.seen

    @display(description="Consent", label=_CONSENT_COLOURS)
    def consent_label(self, person: Person) -> tuple[str, str]:
        return person.consent, person.get_consent_display()

    def get_actions(self, request: HttpRequest) -> dict:
        """Hide the delete action: `erase_people` does the same and says what it erases."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> tuple:
        # A person cannot move to another collection, because templates belong to a collection.
        return ("collection",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            if changes:
                person_update(person=obj, actor=actor, **changes)
        else:
            created = person_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Person) -> None:
        person_erase(person=obj, actor=Actor.of_request(request))

    def response_add(self, request: HttpRequest, obj: Person, *args: Any) -> HttpResponse:
        """After a person is added, go on to the page for photos."""
        if {"_addanother", "_continue", "_popup"} & set(request.POST):
            return super().response_add(request, obj, *args)
        messages.success(request, f"{obj.name} was added. Now add photos.")
        return redirect(reverse("admin:people_person_photos", args=[obj.pk]))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<uuid:person_id>/photos/",
                self.admin_site.admin_view(partial(photos_view, site=self.admin_site)),
                name="people_person_photos",
            ),
            path(
                "<uuid:person_id>/photos/<uuid:image_id>/delete/",
                self.admin_site.admin_view(photo_delete_view),
                name="people_person_photo_delete",
            ),
            path(
                "<uuid:person_id>/lookalikes/<uuid:other_id>/",
                self.admin_site.admin_view(lookalike_view),
                name="people_person_lookalike",
            ),
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        person = self.get_object(request, unquote(object_id))
        photos = person.images.order_by("-quality") if person else FaceImage.objects.none()
        extra = {
            **limits(),
            "photos": list(photos[:_MOST_PHOTOS_SHOWN]),
            "visits": list(_visits(person)[:_MOST_VISITS_SHOWN]) if person else [],
            "may_enrol": self.has_change_permission(request),
            "lookalikes": lookalikes_listed(person) if person else [],
        }
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    @action(
        description="Add photos",
        url_path="add-photos",
        icon="add_a_photo",
        permissions=["change"],
    )
    def add_photos(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        person = self.row_or_404(request, object_id)
        return redirect(reverse("admin:people_person_photos", args=[person.pk]))

    @admin.action(description="Download as CSV", permissions=["view"])
    def download_people(
        self, request: HttpRequest, queryset: QuerySet[Person]
    ) -> StreamingHttpResponse:
        chosen = Person.objects.filter(pk__in=queryset.order_by().values("pk"))
        return people_table(chosen, Actor.of_request(request))

    @admin.action(description="Erase everything about them", permissions=["delete"])
    def erase_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        people = confirmed_rows(request, queryset)
        if people is None:
            page = {"template": "people/erase_people.html", "title": "Erase these people?"}
            return confirmation_page(self, request, queryset, **page)
        actor = Actor.of_request(request)
        erased = done_each(request, people, lambda each: person_erase(person=each, actor=actor))
        messages.success(request, f"{erased} erased: rows, photos, templates, event pictures.")
        return None

    @admin.action(description="Merge into one person", permissions=["delete"])
    def merge_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        if queryset[:2].count() < 2:
            messages.error(request, "Choose at least two people to merge.")
            return None
        people = confirmed_rows(request, queryset)
        if people is None:
            page = {"template": "people/merge_people.html", "title": "Merge these people?"}
            return confirmation_page(self, request, queryset, **page)
        into = _one_of(people, request.POST.get("into", ""))
        if into is None:
            messages.error(request, "Choose who remains.")
            return None
        actor, others = Actor.of_request(request), people.exclude(pk=into.pk)
        if done_each(
            request, others, lambda each: person_merge(into=into, person=each, actor=actor)
        ):
            messages.success(request, f"Merged into {into.name}.")
        return None

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """What is deleted with these people, for the confirmation page."""
        people = list(objs)
        photos = FaceImage.objects.filter(person__in=people).count()
        lines = [
            f"{person.name}, with photos, templates and pictures in events" for person in people
        ]
        denied = set() if self.has_delete_permission(request) else {"person"}
        return lines, {"people": len(people), "photos": photos}, denied, []

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """Do not use Django's own log of the admin, which would keep the names of erased people.
        The services write to the audit log, without names."""

    def log_deletion(self, request: HttpRequest, obj: Model, object_repr: str) -> None:
        """Do nothing, like `log_deletions`."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Do nothing, like `log_deletions`."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Do nothing, like `log_deletions`."""


def _one_of(people: QuerySet[Person], person_id: str) -> Person | None:
    try:
        return people.filter(pk=person_id).first()
    except ValidationError:  # not an id
        return None
