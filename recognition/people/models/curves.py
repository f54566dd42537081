"""Impostor curves in columns. A curve holds thousands of numbers and each request reads its row, so
each text is parsed once for each process."""

from __future__ import annotations

import json
from functools import lru_cache

from django.db import models

from ml_engine.matching import ImpostorCurve
from recognition.web.boundaries import FieldParts, JsonDict

_KEPT = 64


class CurvesField(models.JSONField):
    """An ordinary JSON column. Rows with the same text share one value: replace it, and never
    change it."""

    def from_db_value(self, value: object, expression: object, connection: object) -> object:
        return _parsed(value) if isinstance(value, str) else value

    def deconstruct(self) -> FieldParts:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options


def stored_curve(values: JsonDict) -> ImpostorCurve:
    """The curve of a part of such a column."""
    return _made(_Same(values))


class _Same:
    """Makes an object a key, whatever it holds."""

    def __init__(self, values: JsonDict) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.values is other.values

    def __hash__(self) -> int:
        return id(self.values)


@lru_cache(_KEPT)
def _parsed(text: str) -> object:
    return json.loads(text)


@lru_cache(_KEPT)
def _made(key: _Same) -> ImpostorCurve:
    return ImpostorCurve.from_dict(key.values)
