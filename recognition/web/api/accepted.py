"""Which parameters and fields an operation takes: a request with any other is refused.

A misspelt name that is ignored answers everything, or changes nothing, without a word.
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
# Of names that the caller made up: so many are told, each so long at most.
_MOST_TOLD = 10
_LONGEST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """Names of query parameters and of fields of the body. ignored: fields of the object's own
    answer that nobody may write; a client may send back what it was given. is_binary: the body has
    no fields, and the view reads it as it is."""

    parameters: frozenset[str]
    fields: frozenset[str]
    ignored: frozenset[str]
    is_binary: bool


def accepted_by(
    *, parameters: Iterable[Any], request: Any, answer: Any, ignores_own: bool
) -> Accepted:
    """From what `recognition.web.api.schema.operation` is told."""
    is_list = isinstance(answer, serializers.ListSerializer)
    in_query = [name for each in parameters for name in _names(each)]
    return Accepted(
        parameters=frozenset(in_query) | frozenset(PAGING if is_list else ()),
        fields=frozenset(_names(request)),
        ignored=frozenset(_names(answer) if ignores_own else ()),
        is_binary=request == {"application/octet-stream": OpenApiTypes.BINARY},
    )


def refuse_unknown(request: Request, accepted: Accepted) -> None:
    """ServiceError 400 that names what there is; 400 too for a parameter that is empty or given
    twice."""
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
    """kind: parameter, field, option."""
    wrong = [str(name)[:_LONGEST_TOLD] for name in sorted(unknown, key=str)][:_MOST_TOLD]
    there = sorted(known)
    told = f"There are: {', '.join(there)}." if there else "There is none here."
    message = f"Not a known {kind}: {', '.join(wrong)}. {told}"
    return ServiceError(f"unknown_{kind}", message, unknown=wrong, known=there)


def _names(declared: Any) -> list[str]:
    """Of a serializer (class, instance, list of them), a query parameter, or a dict from media
    types to serializers. Anything else names nothing."""
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
    return {}  # what is no object is refused by whoever reads it


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
