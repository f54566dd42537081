"""The parameters and fields that an operation accepts. A request with any other one is refused.

If a misspelt name were ignored, a filter would return everything and an update would change
nothing, and the caller would not notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from recognition.web.errors import ServiceError

PAGING = ("cursor", "page_size")
# An error repeats at most this many unknown names, each cut to this length.
_MOST_TOLD = 10
_LONGEST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """Accepted names of query parameters and of body fields.

    ignored: read-only fields of the object. They are accepted and ignored, so that a client may
    send back an object that it received. is_binary: the body has no fields; the view reads its
    bytes.
    """

    parameters: frozenset[str]
    fields: frozenset[str]
    ignored: frozenset[str]
    is_binary: bool


def accepted_by(
    *, parameters: Iterable[Any], request: Any, answer: Any, ignores_own: bool
) -> Accepted:
    """Derive the accepted names from the arguments of `recognition.web.api.schema.operation`."""
    is_list = isinstance(answer, serializers.ListSerializer)
    in_query = [name for each in parameters for name in _names(each)]
    return Accepted(
        parameters=frozenset(in_query) | frozenset(PAGING if is_list else ()),
        fields=frozenset(_names(request)),
        ignored=frozenset(_names(answer) if ignores_own else ()),
        is_binary=request == {"application/octet-stream": OpenApiTypes.BINARY},
    )


def refuse_unknown(request: Request, accepted: Accepted) -> None:
    """Refuse unknown names with a ServiceError (400) that lists the known ones. A parameter that is
    empty or given twice is a ValidationError (400)."""
    _refuse_others("parameter", request.query_params, accepted.parameters)
    _refuse_empty(request.query_params)
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise serializers.ValidationError({name: ["This is given twice."]})
    if accepted.is_binary:
        return
    body = _body(request, accepted)
    _refuse_others("field", set(body) - accepted.ignored, accepted.fields)
    if isinstance(body, QueryDict):
        _refuse_empty(body)


def unknown_names(kind: str, unknown: Iterable[str], known: Iterable[str]) -> ServiceError:
    """The error for unknown names. kind: parameter, field or option."""
    wrong = [str(name)[:_LONGEST_TOLD] for name in sorted(unknown, key=str)][:_MOST_TOLD]
    there = sorted(known)
    told = f"Known: {', '.join(there)}." if there else "None is accepted here."
    message = f"Not a known {kind}: {', '.join(wrong)}. {told}"
    return ServiceError(f"unknown_{kind}", message, unknown=wrong, known=there)


def _names(declared: Any) -> list[str]:
    """The names in a serializer (class, instance or list serializer), in a query parameter, or in a
    dict of serializers by media type. Any other value has no names."""
    if isinstance(declared, dict):
        return [name for each in declared.values() for name in _names(each)]
    if isinstance(declared, OpenApiParameter):
        return [declared.name] if declared.location == OpenApiParameter.QUERY else []
    if isinstance(declared, type) and issubclass(declared, serializers.Serializer):
        declared = declared()
    if isinstance(declared, serializers.ListSerializer):
        declared = declared.child
    return list(declared.fields) if isinstance(declared, serializers.Serializer) else []


def _body(request: Request, accepted: Accepted) -> Mapping[str, Any]:
    try:
        body = request.data
    except UnsupportedMediaType:
        if accepted.fields:
            raise
        raise _no_body() from None
    if isinstance(body, Mapping):
        return body
    if body and not accepted.fields:
        raise _no_body()
    return {}  # not an object: refused later, when its fields are read


def _no_body() -> ServiceError:
    return ServiceError("unknown_field", "This operation takes no body.", unknown=[], known=[])


def _refuse_others(kind: str, sent: Iterable[str], known: frozenset[str]) -> None:
    if unknown := set(sent) - known:
        raise unknown_names(kind, unknown, known)


def _refuse_empty(values: QueryDict) -> None:
    empty = [name for name in values if "" in values.getlist(name)]
    if empty:
        told = "This is empty: give a value, or leave it out."
        raise serializers.ValidationError({name: [told] for name in empty})
