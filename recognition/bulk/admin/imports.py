"""Imports in the admin: drop an archive or a folder on a page, watch it, and act on its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from unfold.decorators import display

from accounts.access import Scope, access_of
from accounts.audit import Actor
from recognition.bulk.admin.uploads import UploadAdmin
from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.selectors import (
    item_by_number,
    items_list,
    outcome_counts,
    with_photo_counts,
)
from recognition.bulk.services.imports import import_cancel, import_delete
from recognition.bulk.services.photos import item_enrol
from recognition.web.admin.services import refusals_shown, row_to_view
from recognition.web.boundaries import TemplateContext

_ROWS = 50


@admin.register(ImportRun)
class ImportRunAdmin(UploadAdmin):
    needs_scripts = "An import can be sent only with JavaScript."
    when_empty = "Drop a ZIP or a folder of photos: a folder for each person, or a list as CSV."
    list_display = ("name", "collection", "state_now", "outcome", "created_by", "created_at")
    list_filter = ("collection", "state")
    list_select_related = ("collection", "job")

    @display(description="Photos")
    def outcome(self, run: Any) -> str:
        return f"{run.enrolled} of {run.photos} enrolled" if run.photos else ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        return with_photo_counts(super().get_queryset(request))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self.page_to_drop(request, "bulk/import_new.html", title="Import people")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        """The report: the outcome of each photo."""
        run = row_to_view(self, request, object_id)
        if request.method == "POST":
            return self._act(request, run)
        counts = outcome_counts(run)
        chosen = request.GET.get("show", "refused")
        page = Paginator(_chosen(run, chosen), _ROWS).get_page(request.GET.get("page"))
        context = self.context(
            request,
            title=run.name,
            run=run,
            counts=counts,
            refusals=_refusals(counts),
            total=sum(counts.values()),
            enrolled=counts.get(ImportItem.State.ENROLLED, 0),
            chosen=chosen,
            page=page,
            may_cancel=run.may_be_cancelled,
        )
        return render(request, "bulk/import.html", context)

    def delete_model(self, request: HttpRequest, obj: ImportRun) -> None:
        import_delete(run=obj, actor=Actor.of_request(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        lines = [f"{run.name}: its report and its kept photos. People stay." for run in objs]
        return lines, {"imports": len(lines)}, set(), []

    def _act(self, request: HttpRequest, run: ImportRun) -> HttpResponse:
        if not access_of(request).may(Scope.ENROL):
            raise PermissionDenied
        actor = Actor.of_request(request)
        with refusals_shown(request):
            if request.POST.get("do") == "cancel":
                import_cancel(run=run, actor=actor)
                messages.success(request, "The import stops at its next photo.")
            elif (number := request.POST.get("enrol", "")).isdecimal():
                self._enrol(request, run, int(number), actor)
        return redirect(request.get_full_path())

    def _enrol(self, request: HttpRequest, run: ImportRun, number: int, actor: Actor) -> None:
        item = item_by_number(run, number)
        if item is not None:
            enrolled = item_enrol(item=item, actor=actor)
            name = enrolled.person.name if enrolled.person else ""
            messages.success(request, f"The face is enrolled as {name}.")


def _chosen(run: ImportRun, chosen: str) -> QuerySet[ImportItem]:
    """The items with the chosen state, or the refused ones with the chosen code."""
    if chosen in ImportItem.State.values:
        return items_list(run, state=chosen)
    return items_list(run, state=ImportItem.State.REFUSED, code=chosen)


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    count: int

    @property
    def title(self) -> str:
        """The code as text for people: `several_faces` becomes "Several faces"."""
        return self.code.replace("_", " ").capitalize()


def _refusals(counts: dict[str, int]) -> list[Refusal]:
    """All refusals, most frequent first."""
    others = {ImportItem.State.ENROLLED, ImportItem.State.PENDING}
    found = [Refusal(code, count) for code, count in counts.items() if code not in others]
    return sorted(found, key=lambda refusal: -refusal.count)
