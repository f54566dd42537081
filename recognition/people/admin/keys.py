"""API keys in the admin. A key is shown once when it is made; later it can only be switched off."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.access import Scope, access_of
from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from accounts.models import ApiKey
from accounts.services import key_issue, key_revoke, key_update
from recognition.people.models import Collection

_STATES = {
    "valid": "success",
    "expired": "warning",
    "maker is off": "danger",
    "off": "danger",
}


class KeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.value}: {scope.label}") for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the key may do; it cannot be changed later.",
    )
    collection_id = forms.TypedChoiceField(
        label="Collection",
        required=False,
        coerce=str,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Limit the key to one collection; it cannot be changed later.",
    )
    is_active = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="A key that is switched off stays off, and so do the keys that it made.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "collection_id", "expires_at", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "collection_id" in self.fields:
            rows = Collection.objects.values_list("id", "name")
            self.fields["collection_id"].choices = [("", "All collections"), *rows]  # type: ignore[attr-defined]

    def clean_expires_at(self) -> datetime | None:
        until = self.cleaned_data["expires_at"]
        if until is not None and "expires_at" in self.changed_data and until <= timezone.now():
            raise ValidationError("This time is in the past.")
        return until


@admin.register(ApiKey)
class ApiKeyAdmin(LongListAdmin):
    when_empty = "A key lets a program use the API. Give it a name and choose what it may do."
    form = KeyForm
    list_display = (
        "name",
        "prefix",
        "scope_list",
        "collection_name",
        "expires_at",
        "last_used_at",
        "state",
    )
    list_filter = ("is_active",)
    list_select_related = ("created_by",)  # nullable, so the order of reading stays; see EventAdmin
    search_fields = ("name", "prefix")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        names = Collection.objects.filter(pk=OuterRef("collection_id")).values("name")
        return super().get_queryset(request).annotate(collection_title=Subquery(names[:1]))

    @display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or "none"

    @display(description="Collection")
    def collection_name(self, key: Any) -> str:
        if key.collection_id is None:
            return "all"
        return key.collection_title or "a deleted one"

    @display(description="State", label=_STATES)
    def state(self, key: ApiKey) -> str:
        if not key.is_active:
            return "off"
        if key.created_by is not None and not key.created_by.is_active:
            return "maker is off"
        return "valid" if key.is_valid else "expired"

    def get_actions(self, request: HttpRequest) -> dict:
        return {}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # keys are only switched off, because the audit log refers to them

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        # The scopes of a key never change, because its user relies on them.
        if obj is None:
            return ()
        settled = ("scopes", "collection_id", "prefix", "made_by", "created_at", "last_used_at")
        shown = ("scope_list", "collection_name", "state")
        over = () if obj.is_active else ("name", "expires_at", "is_active")
        return (*settled, *shown, *over)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        if obj is None:
            return ("name", "scopes", "collection_id", "expires_at")
        told = ("name", "scope_list", "collection_name", "expires_at", "prefix")
        used = ("made_by", "created_at", "last_used_at")
        return (*told, *used, "is_active" if obj.is_active else "state")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            if changes.pop("is_active", True) is False:
                key_revoke(key=obj, actor=actor)
            if changes:
                key_update(key=obj, actor=actor, **changes)
            return
        values = form.cleaned_data
        key, secret = key_issue(
            name=values["name"],
            scopes=values["scopes"],
            collection_id=values["collection_id"],
            expires_at=values["expires_at"],
            user=access_of(request).user,
            actor=actor,
        )
        obj.pk = key.pk
        request.issued_secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, *args: Any) -> HttpResponse:
        """The only page that shows the secret. It must not stay in a cache or a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key {obj.name}",
            "opts": self.opts,
            "name": obj.name,
            "address": request.build_absolute_uri(reverse("me")),
            "secret": request.issued_secret,  # type: ignore[attr-defined]
        }
        response = render(request, "people/key_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def log_addition(self, request: HttpRequest, obj: ApiKey, message: Any) -> None:
        """Do not use Django's own log of the admin: the service writes to the audit log."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Do nothing, like `log_addition`."""
