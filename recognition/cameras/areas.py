"""Where in a camera's picture faces count: `{"watch": [polygon, ...], "ignore": [polygon, ...]}`.

A polygon is a list of 3 to 64 points `[x, y]`, each 0 to 1 of the picture's width and height.
"""

from __future__ import annotations

import math
from typing import TypedDict

from django.core.exceptions import ValidationError

Polygon = list[list[float]]
KINDS = ("watch", "ignore")
MOST_POLYGONS = 16
_FEWEST_POINTS, _MOST_POINTS = 3, 64
# Of the picture: a smaller polygon was drawn by mistake.
_SMALLEST = 1e-5
# Ten thousandths of the picture.
_DIGITS = 4


class AreasPayload(TypedDict):
    watch: list[Polygon]
    ignore: list[Polygon]


def no_areas() -> AreasPayload:
    """Faces count everywhere."""
    return {"watch": [], "ignore": []}


def checked_areas(value: object) -> AreasPayload:
    """The areas, complete and rounded; ValidationError says what is wrong."""
    if not isinstance(value, dict) or set(value) - set(KINDS):
        raise ValidationError('Send {"watch": [polygon, ...], "ignore": [polygon, ...]}.')
    areas = no_areas()
    areas["watch"] = _polygons("watch", value.get("watch", []))
    areas["ignore"] = _polygons("ignore", value.get("ignore", []))
    if len(areas["watch"]) + len(areas["ignore"]) > MOST_POLYGONS:
        raise ValidationError(f"There may be {MOST_POLYGONS} polygons at most.")
    return areas


def validate_areas(value: object) -> None:
    """Of models, forms and serializers."""
    checked_areas(value)


def _polygons(kind: str, value: object) -> list[Polygon]:
    if not isinstance(value, list):
        raise ValidationError(f"{kind} must be a list of polygons.")
    return [_polygon(f"Polygon {number} of {kind}", one) for number, one in enumerate(value, 1)]


def _polygon(name: str, value: object) -> Polygon:
    if not isinstance(value, list) or not _FEWEST_POINTS <= len(value) <= _MOST_POINTS:
        message = f"{name} must be a list of {_FEWEST_POINTS} to {_MOST_POINTS} points."
        raise ValidationError(message)
    points = [_point(name, one) for one in value]
    if _size_of(points) < _SMALLEST:
        raise ValidationError(f"{name} encloses nothing.")
    return points


def _point(name: str, value: object) -> list[float]:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_coordinate, value)):
        raise ValidationError(f"{name}: a point is [x, y], each from 0 to 1.")
    return [round(float(one), _DIGITS) for one in value]


def _is_coordinate(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 1  # type: ignore[arg-type, operator]


def _size_of(points: Polygon) -> float:
    """Of the picture, 0 to 1."""
    following = points[1:] + points[:1]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))) / 2
