"""The galleries of this process, one for each collection and model."""

from __future__ import annotations

import threading
from uuid import UUID

from recognition.people.index.gallery import Gallery
from recognition.people.models import Collection

_galleries: dict[tuple[UUID, int], Gallery] = {}
_lock = threading.Lock()


def gallery_of(collection: Collection) -> Gallery:
    """The gallery of a collection in this process. It is loaded when it is first asked."""
    key = (collection.pk, collection.embedder_id)
    with _lock:
        gallery = _galleries.get(key)
    if gallery is None:
        made = Gallery(collection)
        with _lock:
            gallery = _galleries.setdefault(key, made)
    return gallery


def galleries() -> dict[tuple[UUID, int], Gallery]:
    """Those that were asked for, by collection and model."""
    with _lock:
        return dict(_galleries)


def forget_galleries(collection_id: UUID | None = None) -> None:
    """Drop a collection's gallery, or all of them, from memory."""
    with _lock:
        for key in list(_galleries):
            if collection_id in (None, key[0]):
                del _galleries[key]


def follow_now(collection_id: UUID) -> None:
    with _lock:
        mine = [gallery for key, gallery in _galleries.items() if key[0] == collection_id]
    for gallery in mine:
        if gallery.is_loaded:
            gallery.follow(now=True)
