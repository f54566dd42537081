"""The format of numbers and times in answers."""

from __future__ import annotations

from datetime import UTC, datetime


def rounded(value: float | None) -> float | None:
    return round(float(value), 4) if value is not None else None


def significant(value: float | None) -> float | None:
    """Three significant digits, because rates span many powers of ten."""
    return float(f"{value:.3g}") if value is not None else None


def utc_text(at: datetime) -> str:
    """A time in UTC, with `Z`, whatever zone it is given in."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
