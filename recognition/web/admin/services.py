"""Call services from admin pages. A refusal is shown on the page, and the form keeps its input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from ml_engine.types import EngineError
from recognition.web.boundaries import ColumnValues, TemplateContext
from recognition.web.errors import ServiceError


@contextmanager
def refusals_shown(request: HttpRequest) -> Iterator[None]:
    """Turn a refusal or a busy engine into an error message on the page."""
    try:
        yield
    except (ServiceError, EngineError) as error:
        messages.error(request, error.message)


def row_to_view(admin: ModelAdmin, request: HttpRequest, object_id: str) -> Any:
    """The row with this id, for a page of its own in place of Django's form."""
    row = admin.get_object(request, object_id)
    if not admin.has_view_permission(request, row):
        raise PermissionDenied
    if row is None:
        raise Http404
    return row


class ServiceAdmin(ModelAdmin):
    """Saves and deletes through services: a ServiceError becomes an error of the form."""

    def row_or_404(self, request: HttpRequest, object_id: object) -> Model:
        """The row with this id, for actions of a page, which get only the id from the address."""
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ServiceError as error:
            # Nothing was saved. Show the form again, with the error.
            request.refusal = error.message  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        refusal = getattr(request, "refusal", "")
        return _refused(form, refusal) if refusal else form

    def get_changeform_initial_data(self, request: HttpRequest) -> ColumnValues:
        """If there is only one collection, preselect it."""
        return self._only_collection() | super().get_changeform_initial_data(request)

    def _only_collection(self) -> ColumnValues:
        field = next((f for f in self.opts.concrete_fields if f.name == "collection"), None)
        if field is None or field.related_model is None:
            return {}
        rows = field.related_model._default_manager
        first = list(rows.values_list("pk", flat=True)[:2])
        return {"collection": first[0]} if len(first) == 1 else {}

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: TemplateContext | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ServiceError as error:
            messages.error(request, error.message)
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return redirect(reverse(name, args=[object_id]))


def _refused(form: Any, message: str) -> type:
    """A form class that always fails with this error."""

    def clean(self: Any) -> None:
        form.clean(self)
        raise ValidationError(message)

    return type(form.__name__, (form,), {"clean": clean})
