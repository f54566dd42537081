"""While a collection has two models, each face that is stored gets a template for both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from accounts.audit import Actor
from ml_engine.request import Ask
from ml_engine.types import EngineError, Float32
from recognition.people.model_versions import require_version
from recognition.people.models import Collection, FaceImage, ModelVersion, Template
from recognition.people.services.locks import lock_collection
from recognition.people.services.pictures import ask_of
from recognition.people.services.reembedding import stored_embedding
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Of one face: vectors (d,) by the id of their model.
Vectors: TypeAlias = dict[int, Float32]


class _EmbedderChanged(Exception):
    """The faces were embedded by other models than the one in force."""


def with_all_models(
    collection: Collection,
    faces: Sequence[tuple[FaceImage, Vectors]],
    insert: Callable[[Collection], T],
    actor: Actor,
) -> T:
    """Store faces whose files are written, in a transaction that has locked the collection.

    Before it, the vectors are completed for both models of the collection. If the collection was
    switched to another model meanwhile, the stored faces are embedded by that one, and the
    transaction runs again. insert: called with the collection as it is now.

    ServiceError 409 `embedder_changed` if the new model cannot embed a face.
    """

    def checked() -> T:
        now = lock_collection(collection.pk)
        if any(now.embedder_id not in vectors for _, vectors in faces):
            raise _EmbedderChanged
        return insert(now)

    ask = ask_of(actor.name)
    _complete(collection, faces, ask)
    try:
        return in_transaction(checked)
    except _EmbedderChanged:
        _complete(_as_it_is_now(collection), faces, ask)
    try:
        return in_transaction(checked)
    except _EmbedderChanged as error:
        message = "The collection's embedder was changed meanwhile. Send the pictures again."
        raise ServiceError("embedder_changed", message, status=409) from error


def templates_of(
    collection: Collection, image: FaceImage, vectors: Vectors, detector: ModelVersion | None
) -> list[Template]:
    """Rows for the collection's models, not saved. A face that the candidate did not embed is left
    to the job of the change."""
    return [
        Template(
            image=image,
            collection_id=collection.pk,
            model_id=model_id,
            detector=detector,
            vector=Template.pack(vectors[model_id]),
            dimension=len(vectors[model_id]),
        )
        for model_id in collection.model_ids
        if model_id in vectors
    ]


def _as_it_is_now(collection: Collection) -> Collection:
    rows = Collection.objects.select_related("embedder", "candidate")
    row = rows.filter(pk=collection.pk).first()
    if row is None:
        raise not_found("collection")
    require_version(row)
    return row


def _complete(collection: Collection, faces: Iterable[tuple[FaceImage, Vectors]], ask: Ask) -> None:
    models = [model for model in (collection.embedder, collection.candidate) if model is not None]
    for image, vectors in faces:
        for model in models:
            if model.pk not in vectors:
                _add(collection, model, image, vectors, ask)


def _add(
    collection: Collection, model: ModelVersion, image: FaceImage, vectors: Vectors, ask: Ask
) -> None:
    """A failure of the candidate must not fail an enrolment."""
    try:
        vector = stored_embedding(collection, model, image, ask)
    except (EngineError, ServiceError) as error:
        if model.pk == collection.embedder_id:
            raise
        logger.info("%s, the candidate, did not embed an image: %s", model, error)
        return
    if vector is not None:
        vectors[model.pk] = vector
