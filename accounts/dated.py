"""Long lists by date in the admin."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class DatedAdmin(ModelAdmin):
    """Newest first, without counting every row of the table for each page."""

    show_full_result_count = False
    list_per_page = 50

    def get_date_hierarchy(self, request: HttpRequest) -> Any:
        """None where the database cannot tell days of the site's time zone: MySQL and MariaDB
        without their tables of time zones."""
        is_utc = settings.TIME_ZONE == "UTC"
        can_tell = is_utc or connection.features.has_zoneinfo_database
        return super().get_date_hierarchy(request) if can_tell else None
