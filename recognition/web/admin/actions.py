"""Actions on many rows of a list: ask for confirmation, act on each row, report the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ml_engine.types import EngineError
from recognition.web.errors import ServiceError

M = TypeVar("M", bound=Model)

_ROWS_NAMED = 20
_ROWS_IN_HEADING = 5
_ROWS_AT_ONCE = 500
_REASONS_TOLD = 5


def confirmation_page(
    model_admin: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    template: str,
    title: str,
    **context: object,
) -> HttpResponse:
    """A page that asks to confirm the action; `confirmed_rows` reads its form.

    If the user chose all rows of a list, the form contains only that choice and not the rows,
    because Django refuses a form of more than a thousand fields. The field `newest` excludes rows
    that are added before the user confirms.
    """
    is_all = request.POST.get("select_across") == "1"
    count = rows.count()
    named = list(rows[:_ROWS_NAMED] if is_all else rows)
    newest = rows.order_by("-pk").values_list("pk", flat=True).first()
    page = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "action": request.POST.get("action"),
        "rows": named,
        "count": count,
        "left_out": count - len(named),
        "named": ", ".join(str(row) for row in named[:_ROWS_IN_HEADING]),
        "others": max(0, count - _ROWS_IN_HEADING),
        "checkbox": ACTION_CHECKBOX_NAME,
        "newest": newest if is_all else None,
        **context,
    }
    return render(request, template, page)


def confirmed_rows(request: HttpRequest, rows: QuerySet[M]) -> QuerySet[M] | None:
    """The rows that the user confirmed; None before the confirmation."""
    if "confirmed" not in request.POST:
        return None
    newest = request.POST.get("newest")
    if newest is None:
        return rows
    try:
        return rows.filter(pk__lte=newest)
    except (ValidationError, ValueError):
        return rows.none()


def done_each(request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], object]) -> int:
    """Call `act` with each row; returns the number of successes. If a service or the engine refuses
    one row, the others are still tried. Each reason is shown once."""
    done, refusals = 0, Counter[str]()
    pks = list(rows.values_list("pk", flat=True))
    for start in range(0, len(pks), _ROWS_AT_ONCE):
        found = rows.model._default_manager.in_bulk(pks[start : start + _ROWS_AT_ONCE])
        for row in found.values():
            try:
                act(row)
                done += 1
            except (ServiceError, EngineError) as error:
                refusals[error.message] += 1
    for message, count in refusals.most_common(_REASONS_TOLD):
        messages.error(request, message if count == 1 else f"{count} times: {message}")
    return done


@admin.action(description="Delete", permissions=["delete"])
def delete_selected(model_admin: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
    """Replaces Django's own action, which sends every row to the browser and back."""
    chosen = confirmed_rows(request, rows)
    if chosen is None:
        title = f"Delete these {model_admin.opts.verbose_name_plural}?"
        return confirmation_page(
            model_admin, request, rows, template="web/delete_selected.html", title=title
        )
    count = done_each(request, chosen, lambda row: model_admin.delete_model(request, row))
    messages.success(request, f"{count} deleted.")
    return None


admin.site.add_action(delete_selected)
