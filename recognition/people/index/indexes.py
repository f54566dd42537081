"""Which kind of index a gallery is searched with, and where its exact vectors lie."""

from __future__ import annotations

from typing import cast

from django.conf import settings

from ml_engine.matching import VectorIndex
from ml_engine.matching.index import Kind
from ml_engine.matching.scanners import LEAST_COUNT
from recognition.people.models import Collection

# Templates from which on bytes are searched where the size decides, and below which they are no
# more: a gallery around the limit is not built anew with every few people.
BYTES_FROM = 50_000
BYTES_UNTIL = 40_000


def kind_for(choice: str, templates: int, now: Kind | None = None) -> Kind:
    """The kind that a collection's `search_kind` means for so many templates.

    now: what they are searched with already.
    """
    if choice != Collection.SearchKind.AUTO:
        return cast("Kind", choice)
    limit = BYTES_UNTIL if now == "int8" else BYTES_FROM
    return "int8" if templates >= limit else "float32"


def is_outgrown(index: VectorIndex, learnt_from: int) -> bool:
    """Whether an index that learnt from so many vectors should learn again."""
    return index.kind != "float32" and len(index) >= max(LEAST_COUNT, 2 * learnt_from)


def new_index(kind: Kind, dimension: int, model: str) -> VectorIndex:
    """Empty. Exact vectors of all kinds but float32 lie in a file without a name: there is nothing
    to remove, however the process ends."""
    if kind == "float32":
        return VectorIndex(dimension, model)
    folder = settings.VAR_DIR / "gallery"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return VectorIndex(dimension, model, kind=kind, directory=folder)
