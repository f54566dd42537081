"""The kind of index that a gallery uses, and where its exact vectors are stored."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.conf import settings

from ml_engine.matching import VectorIndex
from ml_engine.matching.index import Kind
from ml_engine.matching.scanners import LEAST_COUNT
from recognition.people.models import Collection

# If the size decides: a gallery changes to int8 at the first number of templates, and back to
# float32 below the second. Two limits keep a gallery near them from being rebuilt all the time.
BYTES_FROM = 50_000
BYTES_UNTIL = 40_000


def kind_for(choice: str, templates: int, now: Kind | None = None) -> Kind:
    """The kind of index for a `search_kind` and a number of templates.

    now: the present kind, if there is one.
    """
    if choice != Collection.SearchKind.AUTO:
        return cast("Kind", choice)
    limit = BYTES_UNTIL if now == "int8" else BYTES_FROM
    return "int8" if templates >= limit else "float32"


def is_outgrown(index: VectorIndex, learnt_from: int) -> bool:
    """True if an index that was optimised for so many vectors should be optimised again."""
    return index.kind != "float32" and len(index) >= max(LEAST_COUNT, 2 * learnt_from)


def new_index(kind: Kind, dimension: int, model: str) -> VectorIndex:
    """An empty index. All kinds but float32 keep their exact vectors in an unnamed file, which
    disappears with the process."""
    if kind == "float32":
        return VectorIndex(dimension, model)
    return VectorIndex(dimension, model, kind=kind, directory=gallery_folder())


def gallery_folder() -> Path:
    folder: Path = settings.VAR_DIR / "gallery"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
