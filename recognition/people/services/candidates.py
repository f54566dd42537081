"""Steps of the job that prepares a collection's candidate, and removes the model that goes.

Each step stores little at a time, in a transaction that has locked the collection, so that a killed
worker loses a few seconds of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from django.db.models.fields.files import FieldFile

from ml_engine.types import Float32
from recognition.jobs.context import JobContext
from recognition.people.index import note_changes
from recognition.people.model_versions import detector_version
from recognition.people.models import (
    Calibration,
    Collection,
    FaceImage,
    LoadedCandidate,
    ModelChange,
    ModelChangeLoss,
    ModelVersion,
    Negative,
    Template,
    TrainedDecider,
)
from recognition.people.rules import calibration_of, model_curve
from recognition.people.services.calibration import collection_calibrate, missed_people
from recognition.people.services.deciders import decider_train
from recognition.people.services.locks import lock_collection
from recognition.people.services.model_changes import images_missing, negatives_missing
from recognition.people.services.reembedding import stored_embedding
from recognition.web.errors import ServiceError
from recognition.web.leases import DatabaseTime
from recognition.web.transactions import in_transaction

T = TypeVar("T")

BATCH = 32
_REMOVED_AT_ONCE = 500
# A request or a stream may use the former model this long after a change of state.
_GRACE_S = 10.0


class ChangeMoved(Exception):
    """The change is over, or its candidate is the other model now."""


def step_of(context: JobContext, change: ModelChange, act: Callable[[ModelChange], T]) -> T:
    """Run `act` with the locked row of the change, in a transaction that has locked the collection.

    ChangeMoved if a user changed its state so that this work is not wanted any more.
    """

    def step() -> T:
        context.check()
        lock_collection(change.collection_id)
        row = ModelChange.objects.select_for_update().get(pk=change.pk)
        if row.is_over != change.is_over or row.other != change.other:
            raise ChangeMoved
        return act(row)

    return in_transaction(step)


def losses_retry(context: JobContext, change: ModelChange) -> None:
    """Forget the losses of pictures that were not there, so that they are tried again."""

    def forget(row: ModelChange) -> None:
        missed = row.losses.filter(reason=ModelChangeLoss.NO_FILE)
        others = missed.exclude(image__templates__model=row.other)
        ModelChangeLoss.objects.filter(pk__in=list(others.values_list("pk", flat=True))).delete()

    step_of(context, change, forget)


def _reason(file: FieldFile | None) -> str:
    is_there = file and file.storage.exists(str(file.name))
    return ModelChangeLoss.NO_FACE if is_there else ModelChangeLoss.NO_FILE


def images_embed(context: JobContext, change: ModelChange) -> None:
    """Templates of the candidate for all images without one."""
    is_from_start = change.image_cursor is None
    while True:
        images = images_missing(change)
        if change.image_cursor is not None:
            images = images.filter(pk__gt=change.image_cursor)
        batch = list(images[:BATCH])
        if batch:
            _embed_batch(context, change, batch)
        elif is_from_start:
            return
        else:  # what a run before this one left behind its cursor
            change.image_cursor, is_from_start = None, True


def _embed_batch(context: JobContext, change: ModelChange, batch: Sequence[FaceImage]) -> None:
    vectors = {image: stored_embedding(change.collection, change.other, image) for image in batch}
    reasons = {image: _reason(image.file) for image, vector in vectors.items() if vector is None}

    def store(row: ModelChange) -> None:
        there = set(FaceImage.objects.filter(pk__in=[each.pk for each in batch]).values_list("pk"))
        kept = {image: vector for image, vector in vectors.items() if (image.pk,) in there}
        _add_templates(row, {i: vector for i, vector in kept.items() if vector is not None})
        ModelChangeLoss.objects.bulk_create(
            ModelChangeLoss(change=row, image=image, reason=reason)
            for image, reason in reasons.items()
            if image in kept
        )
        row.image_cursor = batch[-1].pk
        row.images_done += len(kept)
        row.save(update_fields=["image_cursor", "images_done"])
        change.image_cursor, change.images_done = row.image_cursor, row.images_done

    step_of(context, change, store)
    done, total = change.images_done, max(change.images_total, change.images_done)
    context.progress(0.8 * done / total, f"{done} of {total} faces")


def _add_templates(change: ModelChange, vectors: dict[FaceImage, Float32]) -> None:
    detector = detector_version()
    Template.objects.bulk_create(
        (
            Template(
                image=image,
                collection_id=change.collection_id,
                model=change.other,
                detector=detector,
                vector=Template.pack(vector),
                dimension=len(vector),
            )
            for image, vector in vectors.items()
        ),
        ignore_conflicts=True,
    )
    # Until the change is ready, no process has the candidate's gallery in memory.
    if change.state in change.LOADED:
        made = Template.objects.filter(image__in=vectors, model=change.other)
        note_changes(change.collection, made.values_list("pk", flat=True))


def negative_copy(
    context: JobContext,
    change: ModelChange,
    negative: Negative,
    model: ModelVersion,
    vector: Float32 | None,
    file: FieldFile | None,
) -> None:
    """Store how a model of the change sees a rejected face, or that it does not. file: its
    picture."""
    reason = _reason(file) if vector is None else ""

    def store(row: ModelChange) -> None:
        original = Negative.objects.filter(pk=negative.pk).first()
        if original is None:
            return
        if vector is None:
            row.losses.create(negative=original, reason=reason)
            return
        Negative.objects.create(
            collection_id=row.collection_id,
            person_id=original.person_id,
            model=model,
            vector=Template.pack(vector),
            original=original,
        )
        theirs = Template.objects.filter(model=model, image__person=original.person_id)
        if model == row.kept or row.state in row.LOADED:
            note_changes(row.collection, theirs.values_list("pk", flat=True))

    step_of(context, change, store)


def rules_prepare(context: JobContext, change: ModelChange) -> None:
    """The candidate's curve and SVM, and figures of both models on the collection's own people."""
    collection, other = change.collection, change.other
    actor, check = context.actor, context.check
    measure = partial(collection_calibrate, collection=collection, actor=actor, check=check)
    train = partial(decider_train, collection=collection, actor=actor, check=check)
    errors = [
        _tried(partial(measure, model=model))
        for model in (change.kept, other)
        if calibration_of(collection.seen_by(model)) is None
    ]
    trained = TrainedDecider.objects.filter(collection=collection, model=other)
    if collection.decider == Collection.Decider.SVM and not trained.exists():
        errors.append(_tried(partial(train, model=other)))
    collection.candidate_own_curve = step_of(context, change, _choose_curve)
    figures = {
        model.version: found
        for model in (change.source, change.target)
        if (found := missed_people(collection.seen_by(model))) is not None
    }

    def store(row: ModelChange) -> None:
        row.figures, row.error = figures, next(filter(None, errors), "")[:300]
        row.save(update_fields=["figures", "error"])

    step_of(context, change, store)


def _choose_curve(change: ModelChange) -> bool:
    """Whether the candidate takes the collection's own curve: at first if the model in force does,
    or if there is no other one."""
    collection = change.collection
    if change.state == ModelChange.State.EMBEDDING:
        seen = collection.seen_by(change.other)
        is_wanted = collection.uses_own_curve or model_curve(seen) is None
        collection.candidate_own_curve = is_wanted and calibration_of(seen) is not None
        collection.save(update_fields=["candidate_own_curve"])
    return collection.candidate_own_curve


def _tried(act: Callable[[], object]) -> str:
    """The reason if a gallery is too small to be measured or trained on; the switch may do
    without."""
    try:
        act()
    except ServiceError as error:
        if error.code not in ("too_few_people", "gallery_too_large", "no_threshold"):
            raise
        return error.message
    return ""


def mark_ready(context: JobContext, change: ModelChange) -> bool:
    """False if something was enrolled or rejected meanwhile that the candidate has not seen."""

    def mark(row: ModelChange) -> bool:
        if images_missing(row).exists() or negatives_missing(row).exists():
            return False
        if row.state == ModelChange.State.EMBEDDING:
            made = Template.objects.filter(collection=row.collection_id, model=row.other)
            note_changes(row.collection, made.values_list("pk", flat=True)[:1])
            row.ready_revision = Collection.objects.get(pk=row.collection_id).gallery_revision
            row.state, row.changed_at = ModelChange.State.READY, DatabaseTime()
            row.save(update_fields=["state", "changed_at", "ready_revision"])
        return True

    return step_of(context, change, mark)


def await_last_readers(context: JobContext, change: ModelChange) -> None:
    """Wait until no request or stream uses the model that goes."""
    mine = ModelChange.objects.filter(pk=change.pk)
    while mine.filter(changed_at__gt=DatabaseTime(-_GRACE_S)).exists():
        context.check()
        time.sleep(0.2)


def templates_remove(context: JobContext, change: ModelChange) -> None:
    mine = Template.objects.filter(collection=change.collection_id, model=change.other)

    def remove(row: ModelChange) -> int:
        some = list(mine.values_list("pk", flat=True)[:_REMOVED_AT_ONCE])
        return Template.objects.filter(pk__in=some).delete()[0]

    while removed := step_of(context, change, remove):
        context.progress(0.1, f"{removed} templates removed")


def negatives_remove(context: JobContext, change: ModelChange) -> None:
    """Negatives of the other model go; what they say stays by the vectors of the model in force."""

    def remove(row: ModelChange) -> int:
        theirs = Negative.objects.filter(collection=row.collection_id, model=row.other)
        some = list(theirs.order_by("pk")[:_REMOVED_AT_ONCE])
        copies = Negative.objects.filter(original__in=some, model=row.kept).order_by("-pk")
        kept = {copy.original_id: copy for copy in copies}
        for negative in some:
            if copy := kept.get(negative.pk):
                negative.model_id, negative.vector = copy.model_id, copy.vector
                negative.save(update_fields=["model", "vector"])
        gone = [each.pk for each in (*some, *kept.values()) if each.pk not in kept]
        Negative.objects.filter(pk__in=gone).delete()
        return len(some)

    while removed := step_of(context, change, remove):
        context.progress(0.5, f"{removed} rejected faces removed or moved")


def change_end(context: JobContext, change: ModelChange) -> None:
    """Remove what is left of the other model, and end the change."""

    def end(row: ModelChange) -> None:
        for kind in (Calibration, TrainedDecider, LoadedCandidate):
            kind.objects.filter(collection=row.collection_id, model=row.other).delete()
        row.losses.all().delete()
        row.ended_at = DatabaseTime()
        row.save(update_fields=["ended_at"])

    step_of(context, change, end)
