"""What the admin pages of uploads have in common: a file is dropped on one page, and another page
shows the job that works on it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from unfold.decorators import display

from recognition.bulk.services.archives import PIECE_BYTES
from recognition.people.models import Collection
from recognition.web.admin.services import ServiceAdmin
from recognition.web.boundaries import TemplateContext


class UploadAdmin(ServiceAdmin):
    """For models with a `state` and a `job`.

    needs_scripts: the message if the page is sent as a form, because scripts are switched off.
    """

    needs_scripts: str
    list_per_page = 50

    @display(description="State", ordering="state")
    def state_now(self, row: Any) -> str:
        if row.job is None:
            return row.get_state_display()
        return render_to_string("jobs/progress.html", {"job": row.job})

    def page_to_drop(self, request: HttpRequest, template: str, **values: Any) -> HttpResponse:
        """The page on which a file is dropped. Its script sends it over REST."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            messages.error(request, self.needs_scripts)
        context = self.context(
            request,
            collections=Collection.objects.all(),
            piece_bytes=PIECE_BYTES,
            most_gb=settings.MAX_IMPORT_GB,
            **values,
        )
        return render(request, template, context)

    def context(self, request: HttpRequest, **values: Any) -> TemplateContext:
        return {**self.admin_site.each_context(request), "opts": self.opts, **values}

    def get_actions(self, request: HttpRequest) -> dict:
        return {}

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """Do not use Django's own log of the admin: the service writes to the audit log."""
