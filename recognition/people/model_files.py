"""Embedders of the user's own, as rows of the table of models."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q

from ml_engine.types import ModelFileError
from ml_engine.zoo import EmbedderCard, OwnNetwork, own_embedder, version_of
from ml_engine.zoo.own import CARD_FILE
from recognition.people.models import ModelVersion


def card_of_version(version: str) -> EmbedderCard | None:
    """The card of the row with this version (`name@hash`), for the engine, or None."""
    name, _, digits = version.partition("@")
    rows = ModelVersion.objects.filter(source=ModelVersion.Source.FILE, name=name)
    row = rows.filter(sha256__startswith=digits).first()
    return card_of_row(row) if row is not None else None


def versions_in_use() -> set[str] | None:
    """Versions of the models of all collections, for the engine: streams and cameras use no others.
    None while the database is away."""
    is_used = Q(collections__isnull=False) | Q(candidate_of__isnull=False)
    try:
        rows = set(ModelVersion.objects.filter(is_used).values_list("name", "sha256"))
    except (DatabaseError, InterfaceError):
        return None
    return {version_of(*row) for row in rows}


def card_of_row(row: ModelVersion) -> EmbedderCard:
    """WeightsUnavailable if the card is gone or was changed."""
    path = Path(settings.WEIGHTS_DIR) / row.file / CARD_FILE
    stat = path.stat() if path.exists() else None
    state = (stat.st_size, stat.st_mtime_ns) if stat else None
    return _card(row.name, row.file, settings.WEIGHTS_DIR, row.sha256, state)


@lru_cache(maxsize=32)
def _card(
    name: str, folder: str, weights_dir: str | Path, sha256: str, state: tuple[int, int] | None
) -> EmbedderCard:
    """Cached by the file's size and time, because each request asks. Errors are not kept."""
    return own_embedder(name, Path(folder), Path(weights_dir), sha256)


def is_in_place(row: ModelVersion) -> bool:
    """True if the row's card and network exist and have their hashes."""
    try:
        source = card_of_row(row).source
        assert isinstance(source, OwnNetwork)
        path = source.network_path(Path(settings.WEIGHTS_DIR))
        stat = path.stat()
    except (ModelFileError, OSError):
        return False
    return _hash_of(path, stat.st_size, stat.st_mtime_ns) == source.card.network_sha256


@lru_cache(maxsize=32)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file. Cached by size and time, because a model has hundreds of megabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
