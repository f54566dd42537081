"""API keys: made with a name and scopes, shown once, switched off."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from accounts.access import Scope
from accounts.audit import Actor
from accounts.models import ApiKey
from accounts.services import key_issue, key_revoke
from recognition.models import Collection


class KeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple(attrs={"class": "fr-checks"})
    )
    collection_id = forms.TypedChoiceField(
        label="Collection",
        required=False,
        coerce=str,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Limit the key to one collection.",
    )
    is_active = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanSwitchWidget)

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "collection_id", "expires_at", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "collection_id" in self.fields:
            rows = Collection.objects.values_list("id", "name")
            self.fields["collection_id"].choices = [("", "All collections"), *rows]  # type: ignore[attr-defined]


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = KeyForm
    list_display = ("name", "prefix", "scopes", "expires_at", "last_used_at", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "prefix")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # it is switched off and stays, so that the audit log can be read

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        # What a key may do is settled when it is made: whoever holds it was told so.
        return ("scopes", "collection_id", "prefix", "last_used_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        names = ("name", "scopes", "collection_id", "expires_at")
        return (*names, "prefix", "last_used_at", "is_active") if obj else names

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001
        actor = Actor.of_request(request)
        if change:
            if "is_active" in form.changed_data and not obj.is_active:
                key_revoke(key=obj, actor=actor)
            super().save_model(request, obj, form, change)
            return
        values = form.cleaned_data
        key, secret = key_issue(
            name=values["name"],
            scopes=values["scopes"],
            collection_id=values["collection_id"],
            expires_at=values["expires_at"],
            user=request.user,
            actor=actor,
        )
        obj.pk = key.pk
        request.issued_secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, *args: Any) -> HttpResponse:
        """The only page that ever shows the secret. It must not stay in a cache or a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key {obj.name}",
            "opts": self.opts,
            "secret": request.issued_secret,  # type: ignore[attr-defined]
        }
        response = render(request, "recognition/admin/key_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def log_addition(self, request: HttpRequest, obj: ApiKey, message: Any) -> None:
        """The audit log has it."""
