"""The base of all views: the caller, reading of bodies, and paging of lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from accounts.access import Access, access_of
from accounts.audit import Actor
from recognition.web.api.accepted import refuse_unknown
from recognition.web.api.paging import NewestFirst
from recognition.web.api.parsers import ImageParser, SafeJsonParser
from recognition.web.api.pictures import refuse_oversized, request_fields
from recognition.web.boundaries import CheckedFields

METHODS = ("get", "post", "put", "patch", "delete")


class AlwaysJson(DefaultContentNegotiation):
    """All answers are JSON, so no Accept header is refused."""

    def select_renderer(
        self,
        request: Request | HttpRequest,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class ApiView(GenericAPIView):
    """A view whose methods are decorated with `recognition.web.api.schema.operation`."""

    http_method_names = [*METHODS, "head"]
    parser_classes = [SafeJsonParser]
    content_negotiation_class = AlwaysJson
    pagination_class = NewestFirst

    @property
    def required_scopes(self) -> dict[str, str]:
        """The scope of each method, for `HasScope`. A method without the decorator is refused."""
        methods = {name.upper(): getattr(self, name) for name in METHODS if hasattr(self, name)}
        scopes = {name: method.scope for name, method in methods.items() if _is_marked(method)}
        return scopes | ({"HEAD": scopes["GET"]} if "GET" in scopes else {})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # This must come first: to find the caller's session, Django already reads a form's body.
        refuse_oversized(request)
        super().initial(request, *args, **kwargs)
        method = getattr(self, str(request.method).lower(), None)
        if method is not None and request.method in self.allowed_methods:
            refuse_unknown(request, method.accepted)

    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """Times in requests and answers are UTC, whatever TIME_ZONE is."""
        with timezone.override(UTC):
            return super().dispatch(*args, **kwargs)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """Answers contain personal data, so nobody may cache them, not even browsers."""
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
        """The validated fields of the body and the query; the body overrides the query. If an
        optional field is null, it counts as missing, unless the field allows null."""
        fields = _without_nulls(request_fields(self.request), serializer_class)
        return _checked(serializer_class(data=fields, **options))

    def read_query(self, serializer_class: type[Serializer]) -> CheckedFields:
        return _checked(serializer_class(data=self.request.query_params))

    def paged(self, rows: QuerySet, serializer_class: type[BaseSerializer]) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer_class(page, many=True).data)


class PictureView(ApiView):
    """A view that accepts pictures as multipart files, as base64 in JSON, or as the raw body."""

    parser_classes = [MultiPartParser, SafeJsonParser, ImageParser]


def _is_marked(method: Callable[..., Any]) -> bool:
    return getattr(method, "scope", None) is not None


def _without_nulls(
    sent: QueryDict | CheckedFields, serializer_class: type[Serializer]
) -> QueryDict | CheckedFields:
    if isinstance(sent, QueryDict) or all(value is not None for value in sent.values()):
        return sent
    fields = serializer_class().fields
    optional = {name for name, field in fields.items() if not (field.required or field.allow_null)}
    return {
        name: value for name, value in sent.items() if value is not None or name not in optional
    }


def _checked(serializer: Serializer) -> CheckedFields:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
