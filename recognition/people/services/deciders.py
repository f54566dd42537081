"""The linear SVM of a collection: training, state, and removal of people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.utils import timezone

from accounts.audit import SYSTEM, Actor, record
from ml_engine.matching import LinearSvm, train_svm
from ml_engine.matching.svm import LEAST_PEOPLE
from ml_engine.types import Float32
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.index import gallery_of
from recognition.people.index.reading import TemplateReader
from recognition.people.models import Collection, ModelVersion, Person, TrainedDecider
from recognition.people.selectors import models_of
from recognition.people.services.locks import check_in_use, lock_collection
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

# Training takes about 25 s of one core for each million of people times images. This limit is just
# under a minute, the longest time that other jobs may wait.
MOST_WORK = 2_000_000


@dataclass(frozen=True, slots=True)
class DeciderState:
    """State of a collection's SVM; `trained_at` is None if there is none.

    people, templates: the numbers it was trained on, less the people removed since. people_since:
    enrolled people that it does not know. is_current: the gallery has not changed since the
    training began.
    """

    trained_at: datetime | None
    people: int
    templates: int
    people_since: int
    is_current: bool


def training_start(*, collection: Collection, actor: Actor) -> Job:
    """A job that trains the collection's SVM; the open one, if there is one already.

    ServiceError 409 `too_few_people` or `gallery_too_large`; the job may also end with them.
    """
    _check_size(*TemplateReader.of(collection).size())
    return job_start(kind="train_decider", collection=collection.pk, actor=actor)


def train_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `train_decider`: an SVM of each model of the collection."""
    collection = Collection.objects.filter(pk=context.collection_id).first()
    if collection is None:
        raise not_found("collection")
    context.progress(0.05, "Training")
    trained, *_ = [
        decider_train(collection=collection, actor=context.actor, model=model, check=context.check)
        for model in models_of(collection)
    ]
    return {"people": trained.people, "templates": trained.templates}


def decider_train(
    *,
    collection: Collection,
    actor: Actor,
    model: ModelVersion | None = None,
    check: Callable[[], None] = lambda: None,
) -> TrainedDecider:
    """Train the SVM on the templates of the active people, and replace the old one.

    It takes up to a minute; other requests continue meanwhile. model: None is the one in force; the
    collection's candidate has an SVM of its own. check: called before the SVM is stored, and again
    in the transaction that stores it; if it raises, nothing is stored.

    ServiceError 409 `too_few_people`, `gallery_too_large`, or `embedder_changed` while it trained.
    """
    row = Collection.objects.select_related("embedder").filter(pk=collection.pk).first()
    if row is None:
        raise not_found("collection")
    row = row.seen_by(model or row.embedder)
    source = TemplateReader.of(row)
    _check_size(*source.size())
    vectors, owners = _templates(source)
    # People may have been deleted between the two queries.
    _check_size(len(set(owners)), len(owners))
    svm = train_svm(vectors, owners, model=row.embedder.version)

    def store() -> TrainedDecider:
        check()
        check_in_use(lock_collection(row.pk), row.embedder)
        # A person erased since the templates were read must not come back.
        known = svm.without(set(svm.people) - _as_known(source.people()))
        trained, _ = TrainedDecider.objects.update_or_create(
            collection=row,
            model=row.embedder,
            defaults={
                "arrays": known.to_bytes(),
                "gallery_revision": row.gallery_revision,
                "people": len(known.people),
                "templates": len(owners),
                "trained_at": timezone.now(),
            },
        )
        record(actor, "decider.train", row, collection_id=row.pk,
               people=trained.people, templates=trained.templates)  # fmt: skip
        return trained

    check()
    return in_transaction(store)


def decider_state(collection: Collection) -> DeciderState:
    """State of the collection's SVM, also if the collection uses another decider."""
    enrolled, _ = gallery_of(collection).size
    row, svm = _trained(collection)
    if row is None or svm is None:
        return DeciderState(None, 0, 0, enrolled, is_current=False)
    known = TemplateReader.of(collection).people(among=[UUID(person) for person in svm.people])
    return DeciderState(
        trained_at=row.trained_at,
        people=row.people,
        templates=row.templates,
        people_since=enrolled - len(known),
        is_current=_is_current(row),
    )


def _trained(collection: Collection) -> tuple[TrainedDecider | None, LinearSvm | None]:
    rows = TrainedDecider.objects.filter(collection=collection, model=collection.embedder_id)
    row = rows.select_related("model").first()
    return row, row.svm if row else None


def _is_current(row: TrainedDecider) -> bool:
    revisions = Collection.objects.values_list("gallery_revision", flat=True)
    return row.gallery_revision == revisions.get(pk=row.collection_id)


def decider_forget(collection_id: UUID, person_ids: Iterable[UUID]) -> None:
    """Remove these people and their planes from the SVM of each model. Needs a transaction that
    holds the collection's lock."""
    people = _as_known(person_ids)
    for row in TrainedDecider.objects.select_related("model").filter(collection=collection_id):
        _forget(row, people)


def _forget(row: TrainedDecider, people: set[str]) -> None:
    known = row.svm
    if known is None:
        row.delete()
        return
    rest = known.without(people)
    if len(rest.people) < len(known.people):
        row.arrays, row.people = rest.to_bytes(), len(rest.people)
        row.save(update_fields=["arrays", "people"])


def decider_forget_person(collection: Collection, person: Person) -> Traced:
    decider_forget(collection.pk, [person.pk])
    return Traced()


def is_trainable(collection: Collection) -> bool:
    """True if the collection's size allows an SVM."""
    try:
        _check_size(*TemplateReader.of(collection).size())
    except ServiceError:
        return False
    return True


def deciders_retrain() -> int:
    """Start a job for each collection with an SVM that decides and is stale, missing or damaged;
    returns how many."""
    rows = Collection.objects.select_related("embedder", "candidate")
    started = 0
    for collection in rows.filter(decider=Collection.Decider.SVM):
        seen = map(collection.seen_by, models_of(collection))
        if all(row and svm and _is_current(row) for row, svm in map(_trained, seen)):
            continue
        try:
            training_start(collection=collection, actor=SYSTEM)
            started += 1
        except ServiceError as error:
            logger.info("the SVM of %s is not trained: %s", collection.pk, error.message)
    return started


def _check_size(people: int, templates: int) -> None:
    if people < LEAST_PEOPLE:
        message = f"An SVM needs {LEAST_PEOPLE} active people with images; there are {people}."
        raise ServiceError("too_few_people", message, status=409, people=people)
    if people * templates > MOST_WORK:
        message = (
            f"{people:,} people with {templates:,} images are too many for an SVM: people times "
            f"images may be {MOST_WORK:,}. Use the nearest image, or the vote."
        )
        raise ServiceError(
            "gallery_too_large", message, status=409, people=people, templates=templates
        )


def _templates(source: TemplateReader) -> tuple[Float32, list[str]]:
    """Vectors (n, d), and the person of each."""
    rows = [row for chunk in source.all_rows() for row in chunk]
    vectors = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
    return vectors.reshape(len(rows), source.dimension), [str(row.person) for row in rows]


def _as_known(people: Iterable[UUID]) -> set[str]:
    """Ids as text, as the SVM names people."""
    return {str(person) for person in people}
