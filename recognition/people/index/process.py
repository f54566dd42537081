"""The galleries of this process, one for each collection and model."""

from __future__ import annotations

import threading
from uuid import UUID

from recognition.people.index.gallery import Gallery
from recognition.people.models import Collection
from recognition.web.process import Part, process


class Galleries(Part):
    """Thread-safe."""

    def __init__(self) -> None:
        self._galleries: dict[tuple[UUID, int], Gallery] = {}
        self._lock = threading.Lock()

    def of(self, collection: Collection) -> Gallery:
        key = (collection.pk, collection.embedder_id)
        with self._lock:
            gallery = self._galleries.get(key)
        if gallery is None:
            made = Gallery(collection)
            with self._lock:
                gallery = self._galleries.setdefault(key, made)
            self._drop_former(collection.pk, collection.embedder_id)
        return gallery

    def _drop_former(self, collection_id: UUID, added: int) -> None:
        """Drop galleries of models that this collection has let go. A process without a loader,
        such as one that only runs jobs, would keep them for ever."""
        rows = Collection.objects.filter(pk=collection_id)
        models = rows.values_list("embedder_id", "candidate_id").first() or ()
        with self._lock:
            for key in [each for each in self._galleries if each[0] == collection_id]:
                if key[1] not in (added, *models):
                    del self._galleries[key]

    def of_collection(self, collection_id: UUID) -> list[Gallery]:
        """The galleries of a collection that are in memory."""
        with self._lock:
            return [gallery for key, gallery in self._galleries.items() if key[0] == collection_id]

    def all(self) -> dict[tuple[UUID, int], Gallery]:
        with self._lock:
            return dict(self._galleries)

    def keep(self, wanted: set[tuple[UUID, int]]) -> None:
        """Drop all others, which no collection uses any more."""
        with self._lock:
            for key in set(self._galleries) - wanted:
                del self._galleries[key]

    def forget(self, collection_id: UUID | None) -> None:
        with self._lock:
            for key in list(self._galleries):
                if collection_id in (None, key[0]):
                    del self._galleries[key]


def gallery_of(collection: Collection) -> Gallery:
    """The gallery of a collection in this process. Its first search loads it."""
    return process().part(Galleries).of(collection)


def galleries() -> dict[tuple[UUID, int], Gallery]:
    """The galleries in this process, by collection and model."""
    return process().part(Galleries).all()


def held_galleries() -> dict[tuple[UUID, int], tuple[int, int]]:
    """Templates and revision of each gallery that is loaded in this process, by collection and
    model. Does not query the database."""
    held = {key: gallery.held for key, gallery in galleries().items()}
    return {key: found for key, found in held.items() if found}


def keep_galleries(wanted: set[tuple[UUID, int]]) -> None:
    """Drop all galleries but these, by collection and model, from memory."""
    process().part(Galleries).keep(wanted)


def forget_galleries(collection_id: UUID | None = None) -> None:
    """Drop a collection's gallery, or all of them, from memory."""
    process().part(Galleries).forget(collection_id)


def follow_now(collection_id: UUID) -> None:
    for gallery in process().part(Galleries).of_collection(collection_id):
        if gallery.is_loaded:
            gallery.follow(now=True)
