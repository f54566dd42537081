"""Embedders in a user's own files, as rows of the table of models."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from ml_engine.zoo import EmbedderCard, Preprocessing, keras_card
from recognition.people.models import ModelVersion


def card_of_version(version: str) -> EmbedderCard | None:
    """The card of the row with this version (`name@hash`), for the engine, or None."""
    name, _, digits = version.partition("@")
    rows = ModelVersion.objects.filter(source=ModelVersion.Source.FILE, name=name)
    row = rows.filter(sha256__startswith=digits).first()
    return card_of_row(row) if row is not None else None


def card_of_row(row: ModelVersion) -> EmbedderCard:
    recipe = dict(row.recipe)
    size, alignment = recipe.pop("size"), recipe.pop("alignment", "arcface")
    return keras_card(
        row.name,
        Path(row.file),
        row.sha256,
        size=size,
        dimension=row.dimension or 0,
        preprocessing=Preprocessing(**recipe),
        alignment=alignment,
    )


def is_in_place(row: ModelVersion) -> bool:
    """True if the row's file exists and has the row's hash."""
    path = Path(settings.WEIGHTS_DIR) / row.file
    try:
        stat = path.stat()
    except OSError:
        return False
    return _hash_of(path, stat.st_size, stat.st_mtime_ns) == row.sha256


@lru_cache(maxsize=32)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file. Cached by size and time, because a model has hundreds of megabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
