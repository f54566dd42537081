"""Long lists by date in the admin."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class DatedAdmin(ModelAdmin):
    """Newest first, without counting every row of the table for each page."""

    show_full_result_count = False
    list_per_page = 50

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Without dates to walk by where the database cannot tell the days of the site's zone."""
        changes = super().get_changelist_instance(request)
        if settings.TIME_ZONE != "UTC" and not _database_knows(settings.TIME_ZONE):
            changes.date_hierarchy = None
        return changes


@cache
def _database_knows(zone: str) -> bool:
    """MySQL and MariaDB know a time zone by name once their tables of time zones are loaded."""
    if connection.vendor != "mysql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONVERT_TZ('2026-01-01 00:00:00', '+00:00', %s)", [zone])
        return cursor.fetchone()[0] is not None
