"""Types for values whose contents a framework defines. Each has a name and its reason here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# DRF: the validated fields of a serializer.
CheckedFields = dict[str, Any]
# Django: the context of a template.
TemplateContext = dict[str, Any]
# Django: the options of a command.
CommandOptions = dict[str, Any]
# Django: column values for `filter` and `create`.
ColumnValues = dict[str, Any]
# DRF: keyword arguments of a serializer's field.
FieldOptions = dict[str, Any]
# Channels and ASGI: a connection, or a message of the server or of the layer.
AsgiDict = dict[str, Any]
# Django: what a migration says of a field: name, path of its class, arguments, options.
FieldParts = tuple[str, str, Sequence[Any], dict[str, Any]]
# A parsed JSON object of any shape, such as the OpenAPI document.
JsonDict = dict[str, Any]
