"""What all views share: who calls, how bodies are read, how lists are paged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from accounts.access import Access, access_of
from accounts.audit import Actor
from recognition.web.api.paging import NewestFirst
from recognition.web.api.parsers import ImageParser, SafeJsonParser
from recognition.web.api.pictures import refuse_oversized, request_fields
from recognition.web.boundaries import CheckedFields

METHODS = ("get", "post", "put", "patch", "delete")


class AlwaysJson(DefaultContentNegotiation):
    """There is one form of answer, so a caller's Accept need not fail on it."""

    def select_renderer(
        self,
        request: Request | HttpRequest,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class ApiView(GenericAPIView):
    """A view whose methods are marked with `recognition.web.api.schema.operation`."""

    http_method_names = [*METHODS, "head"]
    parser_classes = [SafeJsonParser]
    content_negotiation_class = AlwaysJson
    pagination_class = NewestFirst

    @property
    def required_scopes(self) -> dict[str, str]:
        """Method to scope, for `HasScope`; a method that is not marked stays closed."""
        methods = {name.upper(): getattr(self, name) for name in METHODS if hasattr(self, name)}
        scopes = {name: method.scope for name, method in methods.items() if _is_marked(method)}
        return scopes | ({"HEAD": scopes["GET"]} if "GET" in scopes else {})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # First: already finding out who calls by session reads a form's body.
        refuse_oversized(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """What an answer says of people is kept by no cache, a browser's neither."""
        response = super().finalize_response(*args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    @property
    def access(self) -> Access:
        return access_of(self.request)

    @property
    def actor(self) -> Actor:
        return Actor.of_request(self.request)

    def read(self, serializer_class: type[Serializer], **options: Any) -> CheckedFields:
        """The body (and the query under it), checked."""
        return _checked(serializer_class(data=request_fields(self.request), **options))

    def read_query(self, serializer_class: type[Serializer]) -> CheckedFields:
        return _checked(serializer_class(data=self.request.query_params))

    def paged(self, rows: QuerySet, serializer_class: type[BaseSerializer]) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer_class(page, many=True).data)


class PictureView(ApiView):
    """A view that takes pictures in all three ways."""

    parser_classes = [MultiPartParser, SafeJsonParser, ImageParser]


def _is_marked(method: Callable[..., Any]) -> bool:
    return getattr(method, "scope", None) is not None


def _checked(serializer: Serializer) -> CheckedFields:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
