"""The job of a model change: it prepares the candidate, or removes the model that goes."""

from __future__ import annotations

from django.db.models import QuerySet

from ml_engine.request import Ask
from recognition.events.models import Event, EventVector
from recognition.events.services.vectors import face_embedding, vector_put
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.people.models import ModelChange, ModelVersion
from recognition.people.services.candidates import (
    BATCH,
    ChangeMoved,
    await_last_readers,
    change_end,
    images_embed,
    losses_retry,
    mark_ready,
    negative_copy,
    negatives_remove,
    rules_prepare,
    step_of,
    templates_remove,
)
from recognition.people.services.model_changes import negatives_missing

_ASK = Ask(priority="bulk", caller="model_change")


def model_change_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `model_change`. Each attempt goes on where the last one
    stopped."""
    while (change := _unfinished(context)) is not None:
        try:
            losses_retry(context, change)
            _remove(context, change) if change.is_over else _prepare(context, change)
        except ChangeMoved:
            continue
        return {"change": str(change.pk), "images": change.images_done}
    return {}


def _unfinished(context: JobContext) -> ModelChange | None:
    changes = ModelChange.objects.select_related("source", "target", "collection__embedder")
    return changes.filter(collection=context.collection_id, ended_at=None).first()


def _prepare(context: JobContext, change: ModelChange) -> None:
    is_ready = False
    while not is_ready:
        images_embed(context, change)
        for model in (change.other, change.kept):
            _embed_negatives(context, change, model)
        _embed_events(context, change, change.other, Event.objects.all())
        rules_prepare(context, change)
        is_ready = mark_ready(context, change)
        change.image_cursor = None


def _embed_negatives(context: JobContext, change: ModelChange, model: ModelVersion) -> None:
    for negative in list(negatives_missing(change, model)):
        event = Event.objects.filter(negative=negative).first()
        vector = None
        if event is not None:
            vector = face_embedding(event, change.collection, model, _ASK)
        file = event.face if event is not None else None
        negative_copy(context, change, negative, model, vector, file)


def _embed_events(
    context: JobContext, change: ModelChange, model: ModelVersion, events: QuerySet[Event]
) -> None:
    """Vectors of `model` for those of these events that it has not seen."""
    events = events.filter(collection=change.collection_id, vector__isnull=False)
    events = events.exclude(model=model).exclude(other_vectors__model=model)
    while True:
        left = events.filter(pk__gt=change.event_cursor) if change.event_cursor else events
        batch = list(left.order_by("pk")[:BATCH])
        if not batch:
            return
        _embed_batch(context, change, model, batch)


def _embed_batch(
    context: JobContext, change: ModelChange, model: ModelVersion, batch: list[Event]
) -> None:
    vectors = {event.pk: face_embedding(event, change.collection, model, _ASK) for event in batch}

    def store(row: ModelChange) -> None:
        # A person may have been erased meanwhile: then the event has no vector any more. Or it has
        # a new picture, seen by this model.
        there = Event.objects.filter(pk__in=vectors, vector__isnull=False)
        for event in there.exclude(model=model):
            vector = vectors[event.pk]
            if vector is None:
                row.events_lost += 1
            else:
                vector_put(event, model, vector)
                row.events_done += 1
        row.event_cursor = batch[-1].pk
        row.save(update_fields=["event_cursor", "events_done", "events_lost"])
        change.event_cursor, change.events_done = row.event_cursor, row.events_done

    step_of(context, change, store)
    context.progress(0.85, f"{change.events_done} faces of events")


def _remove(context: JobContext, change: ModelChange) -> None:
    context.progress(0.0, "Waiting for the last readers of the old model")
    await_last_readers(context, change)
    _keep_faces(context, change)
    templates_remove(context, change)
    negatives_remove(context, change)
    while step_of(context, change, _remove_vectors):
        context.progress(0.9, "Removing vectors of events")
    change_end(context, change)


def _keep_faces(context: JobContext, change: ModelChange) -> None:
    """Rejected faces and faces of events that only the model that goes has seen, such as those
    between the end of the preparation and the switch, are embedded by the model in force."""
    _embed_negatives(context, change, change.kept)
    change.event_cursor = None
    _embed_events(context, change, change.kept, Event.objects.filter(model=change.other))


def _remove_vectors(change: ModelChange) -> bool:
    """Vectors of events by the model that goes, some at a time; False if there are none left. An
    event keeps the vector of the model in force, if there is one."""
    others = EventVector.objects.filter(event__collection=change.collection_id)
    gone = list(others.filter(model=change.other).values_list("pk", flat=True)[:500])
    if gone:
        EventVector.objects.filter(pk__in=gone).delete()
        return True
    theirs = Event.objects.filter(collection=change.collection_id, model=change.other)
    batch = list(theirs[:BATCH])
    for event in batch:
        kept = event.other_vectors.filter(model=change.kept).first()
        event.model, event.vector = change.kept, kept.vector if kept else None
        event.save(update_fields=["model", "vector"])
        event.other_vectors.all().delete()
    return bool(batch)
