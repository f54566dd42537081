"""The possible decisions about a face."""

from __future__ import annotations

from django.db import models


class Decision(models.TextChoices):
    MATCH = "match", "Match"
    UNKNOWN = "unknown", "Unknown"
    AMBIGUOUS = "ambiguous", "Ambiguous"
