"""People: thumbnails, photos added with an answer for each, merge and erase."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db.models import Count, F, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.audit import Actor
from recognition.people.admin.fields import LabelsField
from recognition.people.admin.photos import limits, photo_delete_view, photos_view
from recognition.people.models import FaceImage, Person
from recognition.people.services.persons import (
    person_create,
    person_erase,
    person_merge,
    person_update,
)
from recognition.web.admin.pictures import image_url, nothing, picture
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.boundaries import TemplateContext
from recognition.web.errors import ServiceError

_MOST_PHOTOS_SHOWN = 200
_MOST_VISITS_SHOWN = 6
# In the heading of a page about several people.
_MOST_NAMED = 5
_CONSENT_COLOURS = {
    Person.Consent.UNKNOWN: "default",
    Person.Consent.GIVEN: "success",
    Person.Consent.WITHDRAWN: "danger",
}


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
        # Changes are found by comparing with the row, not with the initial values in the request.
        for field in self.fields.values():
            field.show_hidden_initial = False

    def clean_external_id(self) -> str | None:
        # An empty string would count as an external id, and these are unique.
        return self.cleaned_data["external_id"] or None


def _visits(person: Person) -> QuerySet:
    """Newest first; of the app of events, which this one does not import."""
    return person.events.defer("vector").select_related("camera").order_by("-started_at")


@admin.register(Person)
class PersonAdmin(ServiceAdmin):
    when_empty = "Add a person and then photos, or drop a photo on Try it and enrol the face."
    form = PersonForm
    list_display = (
        "thumbnail",
        "name",
        "collection",
        "external_id",
        "image_count",
        "last_seen",
        "consent_label",
        "is_active",
    )
    list_display_links = ("thumbnail", "name")
    list_filter = ("collection", "is_active", "consent")
    list_select_related = ("collection",)
    list_per_page = 50
    search_fields = ("name", "external_id")
    actions = ("merge_people", "erase_people")
    actions_detail = ("add_photos",)
    change_form_outer_before_template = "people/person_photos.html"
    fieldsets = (
        (None, {"fields": ("name", "collection", "is_active")}),
        ("In your own system", {"fields": ("external_id", "labels", "metadata")}),
        ("Consent", {"fields": ("consent", "consent_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        # Subqueries run for the rows of one page only; a join would run for all rows.
        images = FaceImage.objects.filter(person=OuterRef("pk"))
        count = images.order_by().values("person").annotate(n=Count("pk")).values("n")
        visits = Person.objects.filter(pk=OuterRef("pk")).order_by("-events__started_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                images_total=Coalesce(Subquery(count, output_field=IntegerField()), 0),
                seen=Subquery(visits.values("events__ended_at")[:1]),
                best_image=Subquery(images.order_by("-quality").values("id")[:1]),
            )
        )

    @display(description="")
    def thumbnail(self, person: Any) -> SafeString:
        if person.best_image is None:
            return nothing("no photo yet")
        return picture(image_url(person.best_image), alt=person.name)

    @display(description="Photos", ordering="images_total")
    def image_count(self, person: Any) -> int:
        return person.images_total

    @display(description="Last seen", ordering=F("seen").desc(nulls_last=True))
    def last_seen(self, person: Any) -> object:
        return person.seen

    @display(description="Consent", label=_CONSENT_COLOURS, ordering="consent")
    def consent_label(self, person: Person) -> tuple[str, str]:
        return person.consent, person.get_consent_display()

    def get_actions(self, request: HttpRequest) -> dict:
        """Hide Django's delete action: `erase_people` does the same and says so."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> tuple:
        # Templates belong to a collection; a person does not move between them.
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
        """Go on to the photos after a new person was added."""
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
        }
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    @action(
        description="Add photos",
        url_path="add-photos",
        icon="add_a_photo",
        permissions=["change"],
    )
    def add_photos(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        return redirect(reverse("admin:people_person_photos", args=[object_id]))

    @admin.action(description="Erase everything about them", permissions=["delete"])
    def erase_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "erase_people", "Erase these people?")
        erased = 0
        for person in queryset:
            with refusals_shown(request):
                person_erase(person=person, actor=Actor.of_request(request))
                erased += 1
        messages.success(request, f"{erased} erased: rows, photos, templates, event pictures.")
        return None

    @admin.action(description="Merge into one person", permissions=["delete"])
    def merge_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        if queryset.count() < 2:
            messages.error(request, "Choose at least two people to merge.")
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "merge_people", "Merge these people?")
        chosen = {str(person.pk): person for person in queryset}
        into = chosen.pop(request.POST.get("into", ""), None)
        if into is None:
            messages.error(request, "Choose who remains.")
            return None
        try:
            for person in chosen.values():
                person_merge(into=into, person=person, actor=Actor.of_request(request))
            messages.success(request, f"Merged into {into.name}.")
        except ServiceError as error:
            messages.error(request, error.message)
        return None

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Person], name: str, title: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "names": ", ".join(person.name for person in queryset[:_MOST_NAMED]),
            "opts": self.opts,
            "people": queryset,
            "action": name,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return render(request, f"people/{name}.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """What `Delete` removes with a person, for the confirmation page."""
        people = list(objs)
        photos = FaceImage.objects.filter(person__in=people).count()
        lines = [
            f"{person.name}, with photos, templates and pictures in events" for person in people
        ]
        denied = set() if self.has_delete_permission(request) else {"person"}
        return lines, {"people": len(people), "photos": photos}, denied, []

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """Do nothing: the audit log records it, without the name."""

    def log_deletion(self, request: HttpRequest, obj: Model, object_repr: str) -> None:
        """As above: Django's own log would keep the erased person's name."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """As above."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """As above."""
