"""Received pictures, from REST or a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upload:
    """An encoded picture; `name` may be empty."""

    name: str
    data: bytes
