"""Types of frameworks that hold values of any type: each named once, with its reason."""

from __future__ import annotations

from typing import Any

# DRF: the fields that a serializer checked.
CheckedFields = dict[str, Any]
# Django: what a template is rendered with.
TemplateContext = dict[str, Any]
# Django: what a command was started with.
CommandOptions = dict[str, Any]
# Django: values of columns, for `filter` and `create`.
ColumnValues = dict[str, Any]
# DRF: keyword arguments of a serializer's field.
FieldOptions = dict[str, Any]
# Channels and ASGI: a connection, or a message of the server or of the layer.
AsgiDict = dict[str, Any]
# A parsed JSON object of any shape, such as the OpenAPI document.
JsonDict = dict[str, Any]
