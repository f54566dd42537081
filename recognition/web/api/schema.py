"""A decorator that describes an operation for OpenAPI and sets the scope it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from accounts.access import Scope
from recognition.web.api.accepted import accepted_by
from recognition.web.api.examples import examples_of
from recognition.web.api.idempotency import HEADER
from recognition.web.api.openapi import tag_of
from recognition.web.api.pictures import (
    RAW_TYPES,
    Base64PictureField,
    Base64PictureListField,
    PictureField,
    PictureListField,
)
from recognition.web.boundaries import FieldOptions, JsonDict

F = TypeVar("F", bound=Callable[..., Any])
InputClass = type[serializers.Serializer]


class ErrorDetailSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="For programs; stable.")
    message = serializers.CharField(help_text="For people; may change.")
    details = serializers.DictField(help_text="Such as `fields`: the errors of each field.")


class ErrorSerializer(serializers.Serializer):
    """The shape of every error."""

    error = ErrorDetailSerializer()
    request_id = serializers.CharField(help_text="Also in the header X-Request-Id.")


_ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("The request or the picture is not valid.", "validation_error", "Check: image."),
    401: ("Not signed in, or the key is not valid.", "not_authenticated", "Sign in first."),
    403: ("The scope is missing.", "permission_denied", "This account or key may not do that."),
    404: ("It does not exist, or not for this key.", "not_found", "There is no such person."),
    409: ("The present state does not allow it.", "conflict", "The collection has people."),
    411: ("Content-Length is missing.", "length_required", "Send Content-Length."),
    413: ("Too large.", "image_too_large", "A picture may have 20 MB at most."),
    415: ("The media type is not supported.", "unsupported_media_type", "Send JSON or a picture."),
    416: ("The file has no such part.", "range_not_satisfiable", "The file has 1234 bytes."),
    422: ("The picture cannot be used.", "no_face", "No face was found in the picture."),
    429: ("Too many requests; see Retry-After.", "throttled", "Try again in 3 seconds."),
    503: ("Busy or warming up; see Retry-After.", "engine_busy", "The engine's queue is full."),
    507: ("The server's disk is full.", "storage_full", "The server's disk is full."),
}
ALWAYS = (400, 401, 403, 429)
WITH_BODY = (411, 413, 415)
FOR_PICTURES = (*WITH_BODY, 422, 503)

IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="A repeated request with the same key gets the first answer and is not executed.",
)


def _error_response(status: int) -> OpenApiResponse:
    description, code, message = _ERRORS[status]
    value = {
        "error": {"code": code, "message": message, "details": {}},
        "request_id": "9f2c4e0b7a5d4c1e8b3f6a1d2c3b4a59",
    }
    example = OpenApiExample(code, value=value, response_only=True, status_codes=[str(status)])
    return OpenApiResponse(ErrorSerializer, description, [example])


def operation(
    operation_id: str,
    summary: str,
    *,
    scope: Scope | None,
    answer: Any,
    status: int = 200,
    request: Any = None,
    errors: Sequence[int] = (),
    parameters: Sequence[Any] = (),
    about: str = "",
    ignores_own: bool = False,
) -> Callable[[F], F]:
    """Documents a method of a view. Sets the scope that it needs (None: any known caller) and the
    names that it accepts; `ApiView` refuses all other names.

    answer: serializer of the answer to a success; None for an empty answer. If the answer is not
    JSON, a dict from (status, media type) to its type.
    ignores_own: the body is an object of the same shape as the answer; its read-only fields are
    ignored.
    """
    needs = f"Scope: `{scope.value}`." if scope else "Any account or key."
    answers = answer if isinstance(answer, dict) else {status: answer}
    accepted = accepted_by(
        parameters=parameters, request=request, answer=answer, ignores_own=ignores_own
    )
    responses = {**answers, **{code: _error_response(code) for code in (*ALWAYS, *errors)}}

    def decorate(method: F) -> F:
        method.scope = scope  # type: ignore[attr-defined]
        method.accepted = accepted  # type: ignore[attr-defined]
        return extend_schema(
            operation_id=operation_id,
            tags=[tag_of(operation_id)],
            summary=summary,
            description=f"{about}\n\n{needs}".strip(),
            request=request,
            responses=responses,
            parameters=list(parameters),
            examples=examples_of(operation_id, status),
        )(method)

    return decorate


def picture_request(input_class: InputClass) -> JsonDict:
    """The bodies with which pictures can be sent, by media type.

    For forms only the files are described: options are query parameters anyway, and the docs page
    would send every field of a form, filled in or not.
    """
    return {
        "multipart/form-data": _with_files(input_class),
        "application/json": _with_base64(input_class),
        **{media_type: OpenApiTypes.BINARY for media_type in RAW_TYPES},
    }


def _with_files(input_class: InputClass) -> InputClass:
    fields = {
        name: field
        for name, field in input_class().fields.items()
        if isinstance(field, PictureField | PictureListField)
    }
    name = input_class.__name__.removesuffix("Serializer")
    doc = "Pictures as files. Options go into the query, or are fields beside the files."
    return type(f"{name}FormSerializer", (serializers.Serializer,), {"__doc__": doc, **fields})


def _with_base64(input_class: InputClass) -> InputClass:
    """The same serializer with its pictures as base64 text."""
    fields: dict[str, serializers.Field] = {}
    for name, field in input_class().fields.items():
        options: FieldOptions = {"required": field.required, "help_text": field.help_text}
        if isinstance(field, PictureListField):
            fields[name] = Base64PictureListField(**options)
        elif isinstance(field, PictureField):
            fields[name] = Base64PictureField(**options)
    name = input_class.__name__.removesuffix("Serializer")
    doc = "Pictures in base64, alone or as data: URLs."
    return type(f"{name}JsonSerializer", (input_class,), {"__doc__": doc, **fields})
