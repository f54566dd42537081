"""Counts of rows as a column of a query."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, IntegerField, QuerySet, Subquery


def row_count(rows: QuerySet[Any]) -> Subquery:
    """The number of these rows, which refer to an outer query. A plain COUNT: Django's own groups
    the rows, and MariaDB may sort all of them for that."""
    count = Func("pk", function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(n=count).values("n"))
