"""Exports of collections in the admin: start, watch, download and delete them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.audit import Actor
from recognition.bulk.models import Export
from recognition.bulk.services.exports import export_delete, export_start
from recognition.web.admin.services import ServiceAdmin


class ExportForm(forms.ModelForm):
    class Meta:
        model = Export
        fields = ("collection", "has_originals")
        help_texts = {"has_originals": "Include the original photos, if the collection keeps them."}


@admin.register(Export)
class ExportAdmin(ServiceAdmin):
    """Only for administrators: an export has all data that is stored of a collection's people."""

    when_empty = "An export has all data of a collection: its people, faces and templates."
    form = ExportForm
    list_display = ("collection", "created_at", "state_now", "download", "created_by")
    list_display_links = ("created_at",)
    list_select_related = ("collection", "job", "archive")
    fields = ("collection", "has_originals")
    readonly_fields = ("state_now", "download", "created_by", "created_at")

    class Media:
        js = (forms.Script("jobs/job.js", type="module"),)

    def get_fields(self, request: HttpRequest, obj: Export | None = None) -> tuple:
        return self.fields if obj is None else (*self.fields, *self.readonly_fields)

    @display(description="State")
    def state_now(self, export: Export) -> str:
        return render_to_string("jobs/progress.html", {"job": export.job, "is_reloading": True})

    @display(description="Archive")
    def download(self, export: Export) -> str | SafeString:
        if not export.is_complete or export.archive is None:
            return ""
        address = reverse("export-file", args=[export.pk])
        told = filesizeformat(export.archive.size)
        return format_html('<a class="fr-link" href="{}">Download</a> ({})', address, told)

    def save_model(self, request: HttpRequest, obj: Export, form: Any, change: bool) -> None:  # noqa: FBT001
        made = export_start(actor=Actor.of_request(request), **form.cleaned_data)
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Export, *args: Any) -> HttpResponse:
        messages.success(request, "The export is being written.")
        return redirect(reverse("admin:bulk_export_changelist"))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict:
        return {}

    def delete_model(self, request: HttpRequest, obj: Export) -> None:
        export_delete(export=obj, actor=Actor.of_request(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        lines = [f"{export} of {export.created_at:%Y-%m-%d}, with its archive" for export in objs]
        return lines, {"exports": len(lines)}, set(), []

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Do not use Django's own log of the admin: the service writes to the audit log."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """Do nothing, like `log_addition`."""
