"""Collections with their rules in the admin."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import action, display

from accounts.access import Scope, access_of
from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.people.admin.fields import EmbedderField
from recognition.people.admin.map import map_view
from recognition.people.admin.measuring import CURVE_SOURCES, RULE_SOURCES, measure_view
from recognition.people.admin.model_changes import model_change_view
from recognition.people.index import gallery_of
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.rules import decider_in_force, rules_if_any
from recognition.people.services.collections import (
    collection_create,
    collection_delete,
    collection_update,
)
from recognition.people.services.reembedding import taking_up_start
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.counts import row_count


class CollectionForm(forms.ModelForm):
    embedder = EmbedderField(
        help_text="The model that embeds faces. While there are templates, it changes by "
        "“Change the model” only."
    )

    class Meta:
        model = Collection
        fields = (
            "name",
            "description",
            "embedder",
            "match_threshold",
            "candidate_threshold",
            "candidate_own_curve",
            "target_false_match_rate",
            "target_false_positive_rate",
            "uses_own_curve",
            "match_margin",
            "decider",
            "flip_averaging",
            "search_kind",
            "quality_policy",
            "event_retention_days",
            "unknown_retention_days",
            "keeps_originals",
        )
        # They stand below a title that names the model.
        labels: ClassVar = {
            "candidate_threshold": "Match threshold",
            "candidate_own_curve": "Uses own curve",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            embedder = self.instance.embedder
            is_file = embedder.source == ModelVersion.Source.FILE
            self.initial["embedder"] = embedder.version if is_file else embedder.name

    def clean_embedder(self) -> ModelVersion:
        """All vectors of a gallery must come from one model. The service refuses a change, too;
        this shows the error at the field."""
        embedder = self.cleaned_data["embedder"]
        changes = not self.instance._state.adding and "embedder" in self.changed_data
        if changes and self.instance.templates.exists():
            raise ValidationError("The collection has templates: use “Change the model”.")
        return embedder


def take_up_model_view(request: HttpRequest, collection_id: UUID) -> HttpResponse:
    """Called by the button on the start page for a collection whose model version is missing."""
    if not access_of(request).may(Scope.MANAGE):
        raise PermissionDenied
    collection = get_object_or_404(Collection.objects.select_related("embedder"), pk=collection_id)
    with refusals_shown(request):
        job = taking_up_start(collection=collection, actor=Actor.of_request(request))
        return redirect("admin:jobs_job_change", job.pk)
    return redirect("admin:index")


@admin.register(Collection)
class CollectionAdmin(ServiceAdmin, LongListAdmin):
    when_empty = "Each collection is a gallery with its own people and rules."
    form = CollectionForm
    list_display = ("name", "people_count", "model_name", "threshold", "quality")
    sortable_by = ("name",)
    search_fields = ("name",)
    readonly_fields = ("threshold_in_force", "decider_in_force")
    actions_detail = ("measure", "draw_map", "change_model")
    fieldsets: Any = (
        (None, {"fields": ("name", "description", "embedder")}),
        (
            "When a face matches",
            {
                "fields": (
                    "threshold_in_force",
                    "match_threshold",
                    "target_false_match_rate",
                    "target_false_positive_rate",
                    "uses_own_curve",
                    "match_margin",
                )
            },
        ),
        (
            "How people are found",
            {"fields": ("decider_in_force", "decider", "flip_averaging", "search_kind")},
        ),
        (
            "What is stored",
            {
                "fields": (
                    "quality_policy",
                    "event_retention_days",
                    "unknown_retention_days",
                    "keeps_originals",
                )
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Collection | None = None) -> Any:
        if obj is None or obj.candidate is None:
            return self.fieldsets
        title = f"The second model, {obj.candidate}"
        fields = ("candidate_threshold", "candidate_own_curve")
        return [*self.fieldsets, (title, {"fields": fields})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        people = Person.objects.filter(collection=OuterRef("pk"))
        rows = super().get_queryset(request).prefetch_related("embedder")
        return rows.annotate(people=row_count(people))

    @display(description="People")
    def people_count(self, collection: Any) -> int:
        return collection.people

    @display(description="Embedder")
    def model_name(self, collection: Collection) -> str:
        return collection.embedder.name

    @display(description="Quality policy")
    def quality(self, collection: Collection) -> str:
        return collection.get_quality_policy_display().partition(":")[0]

    @display(description="Threshold")
    def threshold(self, collection: Collection) -> str:
        """The threshold rule of the row. The list does not show the threshold in force, because
        that would load the gallery of each row."""
        if collection.match_threshold is not None:
            return f"{collection.match_threshold:.3f}"
        rate = collection.target_false_match_rate
        return "from gallery size" if rate is None else f"for a false-match rate of {rate:g}"

    @display(description="Threshold in force")
    def threshold_in_force(self, collection: Collection) -> str:
        if collection._state.adding:
            return "follows from the rules below"
        rules = rules_if_any(collection, gallery_of(collection))
        if rules is None:
            return "none: set one by hand, or calibrate the model"
        told = f"{rules.threshold:.3f}, {RULE_SOURCES[rules.source]}"
        return (
            told if rules.source == "fixed" else f"{told} and {CURVE_SOURCES[rules.curve_source]}"
        )

    @display(description="Who decides now")
    def decider_in_force(self, collection: Collection) -> str:
        if collection._state.adding:
            return "follows from the choice below"
        decides = Collection.Decider(decider_in_force(collection))
        waits = "" if decides == collection.decider else ", until the SVM is trained"
        return f"{decides.label.partition(':')[0]}{waits}"

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<uuid:collection_id>/measure/",
            self.admin_site.admin_view(partial(measure_view, site=self.admin_site)),
            name="people_collection_measured",
        )
        take_up = path(
            "<uuid:collection_id>/take-up-model/",
            self.admin_site.admin_view(require_POST(take_up_model_view)),
            name="people_collection_take_up_model",
        )
        change = path(
            "<uuid:collection_id>/model-change/",
            self.admin_site.admin_view(partial(model_change_view, site=self.admin_site)),
            name="people_collection_model_change",
        )
        drawn = path(
            "<uuid:collection_id>/map/",
            self.admin_site.admin_view(partial(map_view, site=self.admin_site)),
            name="people_collection_map",
        )
        return [page, take_up, change, drawn, *super().get_urls()]

    @action(
        description="Measure and train",
        url_path="measure-and-train",
        icon="query_stats",
        permissions=["view"],
    )
    def measure(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        collection = self.row_or_404(request, object_id)
        return redirect(reverse("admin:people_collection_measured", args=[collection.pk]))

    @action(
        description="Map of its people",
        url_path="draw-map",
        icon="scatter_plot",
        permissions=["view"],
    )
    def draw_map(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        collection = self.row_or_404(request, object_id)
        return redirect(reverse("admin:people_collection_map", args=[collection.pk]))

    @action(
        description="Change the model",
        url_path="change-model",
        icon="swap_horiz",
        permissions=["change"],
    )
    def change_model(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        collection = self.row_or_404(request, object_id)
        return redirect(reverse("admin:people_collection_model_change", args=[collection.pk]))

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            if changes:
                collection_update(collection=obj, actor=actor, **changes)
        else:
            created = collection_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        if isinstance(obj, Collection):
            return allowed and not (obj.persons.exists() or obj.cameras.exists())
        return allowed

    def get_actions(self, request: HttpRequest) -> dict:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Collection) -> None:
        collection_delete(collection=obj, actor=Actor.of_request(request))
