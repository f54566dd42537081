"""The only code that reads pictures from requests: multipart files, base64 in JSON, or a raw body.

In each case the `PictureField` of a serializer gives an `Upload` (name and bytes). The engine
decides later if the bytes are a picture.
"""

from __future__ import annotations

import base64
import binascii
import re
from copy import copy
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from recognition.web.boundaries import CheckedFields
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload

RAW_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/avif")
_DATA_URL = re.compile(
    r"\s*data:([\w.+-]+/[\w.+-]+)?(;[\w=.+-]+)*;base64,", re.ASCII | re.IGNORECASE
)
_WHITESPACE = re.compile(r"\s+")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def max_image_bytes() -> int:
    return settings.MAX_IMAGE_MB * 2**20


def image_too_large() -> ServiceError:
    limit = settings.MAX_IMAGE_MB
    return ServiceError(
        "image_too_large", f"A picture may have {limit} MB at most.", status=413, max_mb=limit
    )


def refuse_oversized(request: Request) -> None:
    """413 if the announced length of a raw picture is too large. The body is not read for this.
    `BodyGate` limits all requests, whatever their kind."""
    if is_raw_image(request) and _announced_length(request) > max_image_bytes():
        raise image_too_large()


def _announced_length(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise ServiceError("bad_request", "Content-Length is not a number.") from None


def is_raw_image(request: Request) -> bool:
    return (request.content_type or "").lower().startswith("image/")


def request_fields(request: Request) -> QueryDict | CheckedFields:
    """The fields of the body and of the query; those of the body override. With a raw body all
    options come from the query."""
    query, body = request.query_params, request.data
    if isinstance(body, QueryDict):
        fields = copy(body)  # a deep copy would copy the files
        for name in set(query) - set(body):
            fields.setlist(name, query.getlist(name))
        return fields
    if not isinstance(body, dict):
        raise serializers.ValidationError("The body must be a JSON object.")
    if is_raw_image(request):
        # DRF calls no parser for an empty body. It counts as an empty picture, not a missing one.
        body = {"image": SimpleUploadedFile("body", b"")} | body
    return query.dict() | body


def _upload_of(value: object) -> Upload:
    if isinstance(value, UploadedFile):
        if (value.size or 0) > max_image_bytes():
            raise image_too_large()
        return Upload(value.name or "", value.read())
    if not isinstance(value, str):
        raise serializers.ValidationError("Send a file, or the picture in base64.")
    return Upload("", _decoded(value))


def _decoded(text: str) -> bytes:
    """Decode base64 in the standard or the URL-safe alphabet, alone or as a data: URL. Line breaks
    and missing padding are allowed."""
    # 4 characters encode 3 bytes, so the length tells the size before anything is copied.
    if len(text) > max_image_bytes() * 1.4 + 200:
        raise image_too_large()
    match = _DATA_URL.match(text)
    body = _WHITESPACE.sub("", text[match.end() :] if match else text).rstrip("=")
    body = body.translate(_FROM_URL_SAFE)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise serializers.ValidationError("This is not base64.", code="not_base64") from error
    if len(data) > max_image_bytes():
        raise image_too_large()
    return data


@extend_schema_field(OpenApiTypes.BINARY)
class PictureField(serializers.Field):
    """One picture, as `Upload`."""

    def get_value(self, dictionary: Any) -> Any:
        # Otherwise all pictures but the last one would be ignored silently.
        if isinstance(dictionary, QueryDict) and len(dictionary.getlist(self.field_name or "")) > 1:
            raise ServiceError("several_pictures", f"Send one picture as `{self.field_name}`.")
        return super().get_value(dictionary)

    def to_internal_value(self, data: object) -> Upload:
        return _upload_of(data)

    def to_representation(self, value: Upload) -> str:
        return value.name


@extend_schema_field(OpenApiTypes.BYTE)
class Base64PictureField(PictureField):
    """The same field under another name, for the schema of JSON bodies."""


class PictureListField(serializers.ListField):
    """One or more pictures, up to MAX_IMAGES_PER_REQUEST."""

    child = PictureField()

    def to_internal_value(self, data: Any) -> list[Upload]:
        limit = settings.MAX_IMAGES_PER_REQUEST
        if isinstance(data, list) and len(data) > limit:
            message = f"A request may hold {limit} pictures at most."
            raise ServiceError("too_many_images", message, status=413, max_images=limit)
        return super().to_internal_value(data)


class Base64PictureListField(PictureListField):
    child = Base64PictureField()
