"""People: thumbnails, photos added with an answer for each, merge and erase."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.audit import Actor
from recognition.admin.pictures import image_url, nothing, picture
from recognition.admin.services import refusals_shown
from recognition.admin.upload_report import report_of
from recognition.errors import ServiceError
from recognition.models import Collection, FaceImage, Person
from recognition.services.enrolment import Upload, image_delete, images_enrol
from recognition.services.persons import (
    person_create,
    person_erase,
    person_merge,
    person_update,
)


class PersonForm(forms.ModelForm):
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

    def clean_external_id(self) -> str | None:
        # An empty string would be an id like any other, and so unique.
        return self.cleaned_data["external_id"] or None


@admin.register(Person)
class PersonAdmin(ModelAdmin):
    form = PersonForm
    list_display = (
        "thumbnail",
        "name",
        "collection",
        "external_id",
        "image_count",
        "last_seen",
        "consent",
        "is_active",
    )
    list_display_links = ("thumbnail", "name")
    list_filter = ("collection", "is_active", "consent")
    list_select_related = ("collection",)
    search_fields = ("name", "external_id")
    actions = ("merge_people", "erase_people")
    actions_detail = ("add_photos",)
    change_form_outer_after_template = "recognition/admin/person_photos.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        newest = FaceImage.objects.filter(person=OuterRef("pk")).order_by("-quality")
        return (
            super()
            .get_queryset(request)
            .annotate(
                images_total=Count("images", distinct=True),
                seen=Max("events__ended_at"),
                best_image=Subquery(newest.values("id")[:1]),
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

    @display(description="Last seen", ordering="seen")
    def last_seen(self, person: Any) -> object:
        return person.seen

    def get_actions(self, request: HttpRequest) -> dict:
        """Deleting a person is erasing: the one action that says what it does is enough."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        if not self.has_delete_permission(request):
            actions.pop("erase_people", None)
            actions.pop("merge_people", None)
        return actions

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> tuple:
        # Templates belong to a collection; a person does not move between them.
        return ("collection",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Most sites have one collection: nobody should have to choose it.
        first = Collection.objects.order_by("created_at").first()
        return {"collection": first, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            person_update(person=obj, actor=actor, **changes)
        else:
            created = person_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Person) -> None:
        person_erase(person=obj, actor=Actor.of_request(request))

    def response_add(self, request: HttpRequest, obj: Person, *args: Any) -> HttpResponse:
        """After a new person come the photos."""
        if "_addanother" in request.POST or "_popup" in request.POST:
            return super().response_add(request, obj, *args)
        messages.success(request, f"{obj.name} was added. Now add photos.")
        return redirect(reverse("admin:recognition_person_change", args=[obj.pk]) + "#photos")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<uuid:person_id>/photos/",
                self.admin_site.admin_view(self.photos_view),
                name="recognition_person_photos",
            ),
            path(
                "<uuid:person_id>/photos/<uuid:image_id>/delete/",
                self.admin_site.admin_view(self.photo_delete_view),
                name="recognition_person_photo_delete",
            ),
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        photos = FaceImage.objects.filter(person_id=object_id).order_by("-quality")[:200]
        extra = {"photos": photos, "may_enrol": self.has_change_permission(request)}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    @action(
        description="Add photos",
        url_path="add-photos",
        icon="add_a_photo",
        permissions=["change"],
    )
    def add_photos(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        return redirect(reverse("admin:recognition_person_photos", args=[object_id]))

    def photos_view(self, request: HttpRequest, person_id: UUID) -> HttpResponse:
        """The upload form; after an upload, what the engine found in each photo."""
        person = get_object_or_404(Person, pk=person_id)
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        report = None
        if request.method == "POST":
            uploads = [Upload(f.name or "", f.read()) for f in request.FILES.getlist("photos")]
            if not uploads:
                messages.error(request, "Choose at least one photo.")
            with refusals_shown(request):
                outcomes = images_enrol(
                    person=person, uploads=uploads, source="admin", actor=Actor.of_request(request)
                )
                report = report_of(uploads, outcomes)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add photos of {person.name}",
            "opts": self.opts,
            "person": person,
            "report": report,
            "photo_count": person.images.count(),
        }
        return render(request, "recognition/admin/add_photos.html", context)

    def photo_delete_view(
        self, request: HttpRequest, person_id: UUID, image_id: UUID
    ) -> HttpResponse:
        image = get_object_or_404(FaceImage, pk=image_id, person_id=person_id)
        if request.method != "POST" or not self.has_delete_permission(request):
            raise PermissionDenied
        with refusals_shown(request):
            image_delete(image=image, actor=Actor.of_request(request))
            messages.success(request, "The photo and its template are gone.")
        return redirect(reverse("admin:recognition_person_change", args=[person_id]) + "#photos")

    @admin.action(description="Erase everything about the selected people")
    def erase_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "erase_people", "recognition/admin/erase.html")
        actor = Actor.of_request(request)
        erased = 0
        for person in queryset:
            with refusals_shown(request):
                person_erase(person=person, actor=actor)
                erased += 1
        messages.success(request, f"{erased} erased: rows, photos, templates, event pictures.")
        return None

    @admin.action(description="Merge the selected people into one")
    def merge_people(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        if queryset.count() < 2:
            messages.error(request, "Choose at least two people to merge.")
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "merge_people", "recognition/admin/merge.html")
        try:
            into = queryset.get(pk=request.POST.get("into"))
            for person in queryset.exclude(pk=into.pk):
                person_merge(into=into, person=person, actor=Actor.of_request(request))
            messages.success(request, f"Merged into {into.name}.")
        except (Person.DoesNotExist, ValueError):
            messages.error(request, "Choose who remains.")
        except ServiceError as error:
            messages.error(request, error.message)
        return None

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Person], name: str, template: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Are you sure?",
            "opts": self.opts,
            "people": queryset,
            "action": name,
            "checkbox": admin.helpers.ACTION_CHECKBOX_NAME,
        }
        return render(request, template, context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """What `Delete` of one person takes along, for the confirmation page."""
        people = list(objs)
        photos = FaceImage.objects.filter(person__in=people).count()
        lines = [
            f"{person.name}, with photos, templates and pictures in events" for person in people
        ]
        denied = set() if self.has_delete_permission(request) else {"person"}
        return lines, {"people": len(people), "photos": photos}, denied, []

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """The audit log has it, without the name."""

    def log_deletion(self, request: HttpRequest, obj: Model, object_repr: str) -> None:
        """As above: Django's own log would keep the erased person's name."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """As above."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """As above."""
