"""Empties the database after a test that commits, as `flush` does, but quickly.

Django's command deletes from every table and makes all permissions anew. That is as much work as
many a test, and hundreds of tests commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.color import no_style
from django.core.management.commands import flush
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Their rows are made by `migrate`, and no test changes them.
_KEPT = frozenset({"auth_permission", "django_content_type"})


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        tables = connection.introspection.django_table_names(
            only_existing=True, include_views=False
        )
        filled = _filled(connection, sorted(set(tables) - _KEPT))
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), filled))


def _filled(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> list[str]:
    """Those of the tables that have a row."""
    asked = (
        f"SELECT '{table}' FROM (SELECT 1) AS one "
        f"WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(table)})"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        return [name for (name,) in cursor.fetchall()]
