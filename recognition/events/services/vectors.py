"""The vectors of an event's face: one of the model that saw it, and while a collection has two
models, one of the other."""

from __future__ import annotations

import logging

from accounts.audit import Actor
from ml_engine.request import Ask
from ml_engine.types import EngineError, Float32, ImageError
from recognition.engine import get_engine
from recognition.events.models import Event, EventVector
from recognition.people.models import Collection, ModelVersion, Template
from recognition.people.services.pictures import ask_of, decoded, subjects
from recognition.web.errors import ServiceError

logger = logging.getLogger(__name__)


def event_vector(event: Event, model_id: int) -> bytes | None:
    """As in a template; None if this model has not seen the event's face."""
    if event.model_id == model_id:
        return bytes(event.vector) if event.vector else None
    vector = event.other_vectors.filter(model=model_id).values_list("vector", flat=True).first()
    return bytes(vector) if vector else None


def vectors_for(event: Event, collection: Collection, actor: Actor) -> dict[int, bytes]:
    """The face as the collection's models see it, by their ids. A vector that is missing is made of
    the event's picture, so do not call this in a transaction. A model that cannot see the face is
    left out, and a candidate that fails, too. EngineError or ServiceError if the model in force
    fails: without its vector, a rejection would have no effect."""
    found = {}
    for model in (collection.embedder, collection.candidate):
        vector = event_vector(event, model.pk) if model else None
        if model is not None and vector is None:
            vector = _made(event, collection, model, ask_of(actor.name))
        if model is not None and vector is not None:
            found[model.pk] = vector
    return found


def face_embedding(
    event: Event, collection: Collection, model: ModelVersion, ask: Ask
) -> Float32 | None:
    """(d,) of the face in the event's picture; None if it is gone, or no face is found in it.
    EngineError."""
    if not event.face:
        return None
    flip = collection.flip_averaging == Collection.FlipAveraging.BOTH
    try:
        with event.face.open("rb") as file:
            content = file.read()
        with decoded(content) as image:
            faces = subjects(get_engine().find([image], ask=ask)[0])
            if not faces:
                return None
            embedded = get_engine().embed(image, faces[:1], ask, embedder=model.version, flip=flip)
    except (FileNotFoundError, ImageError):
        return None
    return embedded[0].embedding


def vector_put(event: Event, model: ModelVersion, vector: Float32) -> None:
    packed = {"vector": Template.pack(vector)}
    EventVector.objects.update_or_create(event=event, model=model, defaults=packed)


def _made(event: Event, collection: Collection, model: ModelVersion, ask: Ask) -> bytes | None:
    try:
        vector = face_embedding(event, collection, model, ask)
    except (EngineError, ServiceError) as error:
        if model.pk == collection.embedder_id:
            raise
        logger.info("%s did not embed the face of an event: %s", model, error)
        return None
    return None if vector is None else Template.pack(vector)
