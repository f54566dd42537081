"""Collections with their rules, and the models that they may use."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.audit import Actor
from recognition.errors import ServiceError
from recognition.gallery import gallery_of, rules_of
from recognition.models import Collection, ModelVersion
from recognition.services.collections import (
    collection_create,
    collection_delete,
    collection_update,
)

_RULE_SOURCES = {
    "fixed": "set by hand",
    "target_rate": "from the target false-match rate",
    "gallery_size": "from the size of the gallery",
}


class CollectionForm(forms.ModelForm):
    class Meta:
        model = Collection
        fields = (
            "name",
            "description",
            "embedder",
            "match_threshold",
            "target_false_match_rate",
            "match_margin",
            "quality_policy",
            "event_retention_days",
            "unknown_retention_days",
            "keeps_originals",
        )

    def clean_embedder(self) -> ModelVersion:
        """A gallery holds the vectors of one model: say so in the form, not after it."""
        embedder = self.cleaned_data["embedder"]
        changes = self.instance.pk and "embedder" in self.changed_data
        if changes and self.instance.templates.exists():
            raise ValidationError("The embedder cannot change while the collection has templates.")
        return embedder


@admin.register(Collection)
class CollectionAdmin(ModelAdmin):
    form = CollectionForm
    list_display = ("name", "people_count", "embedder", "threshold_in_force", "quality_policy")
    readonly_fields = ("threshold_in_force",)
    fieldsets = (
        (None, {"fields": ("name", "description", "embedder")}),
        (
            "When a face is somebody",
            {
                "fields": (
                    "threshold_in_force",
                    "match_threshold",
                    "target_false_match_rate",
                    "match_margin",
                )
            },
        ),
        (
            "What is kept",
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(people=Count("persons"))

    @display(description="People", ordering="people")
    def people_count(self, collection: Any) -> int:
        return collection.people

    @display(description="Threshold in force")
    def threshold_in_force(self, collection: Collection) -> str:
        if collection._state.adding:
            return "follows from the rules below"
        rules = rules_of(collection, gallery_of(collection))
        return f"{rules.threshold:.3f}, {_RULE_SOURCES[rules.source]}"

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            collection_update(collection=obj, actor=actor, **changes)
        else:
            created = collection_create(actor=actor, **form.cleaned_data)
            obj.pk = created.pk
            obj.refresh_from_db()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        if isinstance(obj, Collection):
            return allowed and not obj.persons.exists()
        return allowed

    def get_actions(self, request: HttpRequest) -> dict:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Collection) -> None:
        try:
            collection_delete(collection=obj, actor=Actor.of_request(request))
        except ServiceError as error:
            self.message_user(request, error.message, "error")


@admin.register(ModelVersion)
class ModelVersionAdmin(ModelAdmin):
    """Read only: rows are made from the presets of the engine."""

    list_display = ("preset", "role", "dimension", "sha256", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
