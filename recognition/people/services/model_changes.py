"""Change a collection's model while everything runs: start, switch, roll back, let go, cancel.

Each verb is one transaction under the collection's lock. What takes time (embedding, measuring,
removing old data) is done by the job `model_change`, see `recognition.events.services.
model_change_job`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from accounts.audit import SYSTEM, Actor, record
from ml_engine.matching.error_rates import people_needed
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.index.reading import TemplateReader
from recognition.people.model_versions import installed_version, refuse_unusable
from recognition.people.models import (
    Collection,
    FaceImage,
    GalleryProcess,
    LoadedCandidate,
    ModelChange,
    ModelChangeLoss,
    ModelVersion,
    Negative,
    TrainedDecider,
)
from recognition.people.rules import curve_of_collection, model_curve, uncalibrated
from recognition.people.services.deciders import is_trainable
from recognition.people.services.locks import (
    lock_collection,
    refuse_named_by_cameras,
    refuse_open_change,
)
from recognition.web.errors import ServiceError
from recognition.web.leases import DatabaseTime
from recognition.web.transactions import in_transaction

JOB = "model_change"
_State = ModelChange.State
# Refusals after which the job has to embed something that came meanwhile.
_WORK_LEFT = {"images_missing", "negatives_missing", "decider_not_trained"}


@dataclass(frozen=True, slots=True)
class ChangeProgress:
    """What is left before a switch. waiting_for: processes without the candidate's gallery."""

    images_missing: int
    images_lost: int
    negatives_missing: int
    negatives_lost: int
    waiting_for: int


def model_change_start(*, collection: Collection, model: ModelVersion, actor: Actor) -> ModelChange:
    """Make `model` the collection's candidate, and start the job that embeds its faces.

    ServiceError 409: `model_change_open`, `model_in_use`, `model_not_usable`,
    `model_version_missing` if the model cannot be loaded, `no_threshold` if it would have no curve.
    """

    def start() -> ModelChange:
        row = lock_collection(collection.pk)
        refuse_open_change(row)
        _check_target(row, model)
        row.candidate = model
        row.save(update_fields=["candidate"])
        change = ModelChange.objects.create(
            collection=row,
            source=row.embedder,
            target=model,
            images_total=FaceImage.objects.filter(collection=row).count(),
            created_by=actor.name[:200],
            changed_at=DatabaseTime(),
        )
        _note(change, "start", actor)
        job_start(kind=JOB, collection=row.pk, actor=actor)
        return change

    return in_transaction(start)


def model_change_switch(
    *, collection: Collection, actor: Actor, accepted_losses: int = 0
) -> ModelChange:
    """Put the candidate in force, with its rules: a fixed threshold belongs to the model that it
    was set for. accepted_losses: so many images may have no template by it.

    ServiceError 409: `no_model_change`, `model_change_not_ready`, `images_lost`, `images_missing`,
    `negatives_missing`, `decider_not_trained`, `galleries_not_loaded`, `no_threshold`.
    """

    def switch(row: Collection, change: ModelChange) -> None:
        _check_losses(change, accepted_losses)
        _check_complete(change)
        _check_decider(row, change)
        _check_loaded(change)
        seen = row.seen_by(change.target)
        if seen.match_threshold is None and curve_of_collection(seen) is None:
            raise uncalibrated(change.target.version)
        _exchange(row)

    act = "switch", ModelChange.SWITCHABLE, _State.SWITCHED
    return _move(collection, actor, *act, switch)


def model_change_roll_back(
    *, collection: Collection, actor: Actor, accepted_losses: int = 0
) -> ModelChange:
    """Put the former model in force again, with its rules. accepted_losses: so many images that
    were enrolled since may have no template by it.

    ServiceError 409: `no_model_change`, `model_change_not_ready`, `images_lost`, `images_missing`,
    `negatives_missing`. It waits for no SVM and for no process: the way back must be short.
    """

    def roll_back(row: Collection, change: ModelChange) -> None:
        _check_losses(change, accepted_losses)
        _check_complete(change)
        _exchange(row)

    act = "roll_back", (_State.SWITCHED,), _State.ROLLED_BACK
    return _move(collection, actor, *act, roll_back)


def model_change_let_go(*, collection: Collection, actor: Actor) -> ModelChange:
    """After a switch: end the way back. The job removes the data of the former model. ServiceError
    409 `model_named_by_cameras`."""
    return _move(collection, actor, "let_go", (_State.SWITCHED,), _State.DONE, _drop_candidate)


def model_change_cancel(*, collection: Collection, actor: Actor) -> ModelChange:
    """Keep the former model. The job removes the data of the new one. ServiceError 409
    `model_named_by_cameras`."""
    states = (_State.EMBEDDING, _State.READY, _State.ROLLED_BACK)
    return _move(collection, actor, "cancel", states, _State.CANCELLED, _drop_candidate)


def open_change(collection: Collection) -> ModelChange | None:
    """The change that is under way, or whose old data are being removed."""
    changes = ModelChange.objects.select_related("collection", "source", "target")
    return changes.filter(collection=collection, ended_at=None).first()


def newest_change(collection: Collection) -> ModelChange | None:
    changes = ModelChange.objects.select_related("collection", "source", "target")
    return changes.filter(collection=collection).first()


def change_progress(change: ModelChange) -> ChangeProgress:
    return ChangeProgress(
        images_missing=0 if change.is_over else images_missing(change).count(),
        images_lost=images_lost(change).count(),
        negatives_missing=0 if change.is_over else negatives_missing(change).count(),
        negatives_lost=change.losses.exclude(negative=None).count(),
        waiting_for=_processes_without(change).count() if change.state in change.LOADED else 0,
    )


def images_missing(change: ModelChange) -> QuerySet[FaceImage]:
    """Images without a template of the candidate, but those that it cannot embed."""
    lost = ModelChangeLoss.objects.filter(change=change, image=OuterRef("pk"))
    images = FaceImage.objects.filter(collection=change.collection_id)
    return images.exclude(templates__model=change.other).exclude(Exists(lost)).order_by("pk")


def images_lost(change: ModelChange) -> QuerySet[ModelChangeLoss]:
    """Losses of images that the candidate cannot embed. After a switch the former model is the
    candidate, and it has templates of those that only the new one cannot embed."""
    return change.losses.exclude(image=None).exclude(image__templates__model=change.other)


def negatives_missing(change: ModelChange, model: ModelVersion | None = None) -> QuerySet[Negative]:
    """The same for rejected faces. model: None is the candidate."""
    model = model or change.other
    lost = ModelChangeLoss.objects.filter(change=change, negative=OuterRef("pk"))
    negatives = Negative.objects.filter(collection=change.collection_id, original=None)
    others = negatives.exclude(model=model).exclude(copies__model=model)
    return others.exclude(Exists(lost)).order_by("pk")


def model_changes_resume() -> int:
    """Start the job of each change that has work left and no open job; returns how many."""
    open_jobs = Job.objects.filter(kind=JOB, state__in=Job.OPEN)
    busy = set(open_jobs.values_list("collection_id", flat=True))
    changes = ModelChange.objects.select_related("source", "target").filter(ended_at=None)
    left = {change.collection_id for change in changes if _has_work_left(change)}
    waiting = left - busy
    for collection_id in waiting:
        job_start(kind=JOB, collection=collection_id, actor=SYSTEM)
    return len(waiting)


def _has_work_left(change: ModelChange) -> bool:
    """Also if the other model failed when a face was enrolled or rejected."""
    if change.state not in change.LOADED:
        return True
    return images_missing(change).exists() or negatives_missing(change).exists()


def _move(
    collection: Collection,
    actor: Actor,
    verb: str,
    states: tuple[ModelChange.State, ...],
    state: ModelChange.State,
    act: Callable[[Collection, ModelChange], None],
) -> ModelChange:
    """Take the change from one of these states to `state`, by `act`."""

    def move() -> ModelChange:
        row = lock_collection(collection.pk)
        change = open_change(row)
        if change is None or change.is_over:
            raise ServiceError("no_model_change", "No model change is under way.", status=409)
        if change.state not in states:
            message = f"The change is in the state {change.state}."
            raise ServiceError("model_change_not_ready", message, status=409, state=change.state)
        act(row, change)
        change.state, change.changed_at = state, DatabaseTime()
        change.save(update_fields=["state", "changed_at", "accepted_losses"])
        _note(change, verb, actor)
        return change

    try:
        moved = in_transaction(move)
    except ServiceError as error:
        if error.code in _WORK_LEFT or _may_be_found(collection, error):
            job_start(kind=JOB, collection=collection.pk, actor=actor)
        raise
    # Not in the transaction: a running job locks its own row first, then the collection. If this
    # process ends here, the upkeep starts the job.
    if moved.is_over:
        job_start(kind=JOB, collection=collection.pk, actor=actor)
    moved.refresh_from_db()
    return moved


def _check_target(collection: Collection, model: ModelVersion) -> None:
    if model.pk == collection.embedder_id:
        raise ServiceError("model_in_use", "The collection uses this model already.", status=409)
    refuse_unusable(model)
    installed = installed_version(model)
    if installed != model.version:
        message = f"{model.version} cannot be loaded here."
        raise ServiceError("model_version_missing", message, status=409, installed=installed)
    people = TemplateReader.of(collection).size()[0]
    if model_curve(collection.seen_by(model)) is None and people < people_needed():
        raise uncalibrated(model.version)


def _check_losses(change: ModelChange, accepted: int) -> None:
    lost = images_lost(change).count()
    if lost > accepted:
        message = f"{change.other.version} cannot embed {lost} of the images. Accept that first."
        raise ServiceError("images_lost", message, status=409, images=lost)
    change.accepted_losses = lost


def _may_be_found(collection: Collection, error: ServiceError) -> bool:
    """True if images count as lost because their files were not there, perhaps for a while."""
    missed = ModelChangeLoss.objects.filter(change__collection=collection, change__ended_at=None)
    return error.code == "images_lost" and missed.filter(reason=ModelChangeLoss.NO_FILE).exists()


def _check_complete(change: ModelChange) -> None:
    """ServiceError 409 if the candidate lacks something that the model in force has."""
    if images := images_missing(change).count():
        raise _missing("images_missing", f"{images} images are not embedded yet.", images)
    if negatives := negatives_missing(change).count():
        told = f"{negatives} rejected faces are not embedded yet."
        raise _missing("negatives_missing", told, negatives)


def _check_decider(collection: Collection, change: ModelChange) -> None:
    """An SVM that decides must not be lost by the switch, but for a gallery that has become too
    large or too small for one."""
    trained = TrainedDecider.objects.filter(collection=collection)
    is_svm = collection.decider == Collection.Decider.SVM
    models = set(trained.values_list("model", flat=True)) if is_svm else set()
    is_missing = change.kept.pk in models and change.other.pk not in models
    if is_missing and is_trainable(collection.seen_by(change.other)):
        raise _missing("decider_not_trained", "Its SVM is not trained yet.", 1)


def _check_loaded(change: ModelChange) -> None:
    if waiting := _processes_without(change).count():
        told = f"{waiting} processes have not loaded its gallery yet. Try again in a moment."
        raise _missing("galleries_not_loaded", told, waiting)


def _missing(code: str, message: str, count: int) -> ServiceError:
    return ServiceError(code, message, status=409, count=count)


def _processes_alive() -> QuerySet[GalleryProcess]:
    return GalleryProcess.objects.filter(lease_until__gt=DatabaseTime())


def _processes_without(change: ModelChange) -> QuerySet[GalleryProcess]:
    """Living processes that have not loaded the candidate. One that is gone does not block."""
    loaded = LoadedCandidate.objects.filter(
        process=OuterRef("pk"), collection=change.collection_id, model=change.other
    )
    return _processes_alive().exclude(Exists(loaded))


def _exchange(collection: Collection) -> None:
    """The switch: one row, which every request and stream reads. Each model keeps its rules."""
    assert collection.candidate is not None  # of a change that is not over
    former, seen = collection.embedder, collection.seen_by(collection.candidate)
    seen.candidate_threshold = collection.match_threshold
    seen.candidate_own_curve = collection.uses_own_curve
    fields = ["embedder", "match_threshold", "uses_own_curve"]
    seen.save(update_fields=[*fields, "candidate", "candidate_threshold", "candidate_own_curve"])
    # Until now it was in force: every process has its gallery in memory.
    loaded = [
        LoadedCandidate(process=each, collection=collection, model=former)
        for each in _processes_alive()
    ]
    LoadedCandidate.objects.bulk_create(loaded, ignore_conflicts=True)


def _drop_candidate(collection: Collection, change: ModelChange) -> None:
    refuse_named_by_cameras(collection, change.other)
    collection.candidate = collection.candidate_threshold = None
    collection.candidate_own_curve = False
    fields = ["candidate", "candidate_threshold", "candidate_own_curve"]
    collection.save(update_fields=fields)


def _note(change: ModelChange, verb: str, actor: Actor) -> None:
    record(actor, f"collection.model_{verb}", change.collection, collection_id=change.collection_id,
           before=change.source.version, model=change.target.version)  # fmt: skip
