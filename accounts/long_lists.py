"""Admin lists that stay fast with a million rows, because each page is read from an index."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.views import ChangeList


class LongList(ChangeList):
    """Sorts by one column of `sortable_by`, then by the primary key in the same direction, because
    only these orders have an index. Other columns in the address are ignored."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        if ORDER_VAR in self.params:
            self.params[ORDER_VAR] = self.params[ORDER_VAR].partition(".")[0]
        return super().get_ordering(request, queryset)

    def _get_deterministic_ordering(self, ordering: list[Any]) -> list[Any]:
        ordering = list(ordering) or ["-pk"]
        if {str(part).lstrip("-") for part in ordering} & {"pk", "id"}:
            return ordering
        return [*ordering, "-pk" if str(ordering[-1]).startswith("-") else "pk"]


class LongListAdmin(ModelAdmin):
    """The newest rows come first. Each column in `sortable_by` must be the first one of an index.
    Fetch related rows with `prefetch_related`: for a join the database may sort all rows first.
    """

    list_per_page = 50
    list_select_related: tuple[str, ...] = ()
    show_full_result_count = False
    sortable_by: tuple[str, ...] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LongList]:
        return LongList
