"""Filters of lists in the admin."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.contrib.filters.admin import RangeDateTimeFilter


class BetweenFilter(RangeDateTimeFilter):
    """A range of times, both ends included, in the site's time zone. A date without a time means
    the whole day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        since, until = self._moment("from", "00:00:00"), self._moment("to", "23:59:59.999999")
        if since is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": since})
        if until is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lte": until})
        return queryset

    def _moment(self, end: str, time_of_day: str) -> datetime | None:
        date = self.used_parameters.get(f"{self.parameter_name}_{end}_0")
        time = self.used_parameters.get(f"{self.parameter_name}_{end}_1") or time_of_day
        with suppress(ValueError):  # a date that does not exist, such as the 31st of June
            moment = parse_datetime(f"{date} {time}") if date else None
            return timezone.make_aware(moment) if moment else None
        return None
