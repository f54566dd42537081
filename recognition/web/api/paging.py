"""Pages of lists, newest first. The opaque cursor keeps them stable while rows come and go."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from recognition.web.errors import ServiceError


class NewestFirst(CursorPagination):
    """Sorts by id, which sorts by time: an id begins with the time."""

    ordering: str | tuple[str, ...] = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "Rows on a page; at most 500."
    cursor_query_description = "Start of the page: from `next` or `previous` of another page."
    max_page_size = 500

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, OverflowError) as error:
            message = "This cursor is not valid. Start again without a cursor."
            raise ServiceError("bad_cursor", message) from error

    def get_page_size(self, request: Request) -> int | None:
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        # Limit the digits: Python refuses to parse a number with thousands of them.
        if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and int(asked)):
            raise serializers.ValidationError(
                {"page_size": ["This must be a whole number from 1."]}
            )
        return min(int(asked), self.max_page_size)
