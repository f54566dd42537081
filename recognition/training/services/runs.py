"""Training runs: start, cancel, and what is left of those that ended badly."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, F, Q
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.cameras.models import Camera
from recognition.jobs.models import Job
from recognition.jobs.owners import owner_cancel, owners_settle
from recognition.jobs.services import job_start
from recognition.people.models import Collection
from recognition.people.services.own_models import refuse_bad_name
from recognition.people.services.trained_people import people_to_train_on
from recognition.training.models import TrainingRun
from recognition.training.options import Value, complete
from recognition.training.services.faces import folder_of, images_of, refuse_few_camera_faces
from recognition.training.services.running import training_close, training_root
from recognition.web.errors import ServiceError
from recognition.web.transactions import in_transaction

JOB = "training"
_Task = TrainingRun.Task
_State = TrainingRun.State
# The folder of a run that failed is kept for so long: it goes on from there if it is started again.
_FAILED_KEPT = timedelta(days=1)


def training_run_start(
    *,
    task: str,
    name: str,
    actor: Actor,
    collection: Collection | None = None,
    folder: str = "",
    camera: Camera | None = None,
    licence: str = "",
    options: Mapping[str, Value | None] | None = None,
) -> TrainingRun:
    """Start a job that trains on the people of a collection who consented, or on a folder of
    TRAINING_DATA_DIR.

    ServiceError 400: `bad_name`, `bad_setting`, `no_such_folder`, `training_data_required`,
    `camera_required`, `wrong_collection`; 409 `too_few_people`, `too_few_camera_faces`.
    """
    refuse_bad_name(name)
    if (collection is None) == (not folder):
        message = "Name a collection or a folder to train on, and not both."
        raise ServiceError("training_data_required", message)
    if folder:
        folder_of(folder)
    _check_camera(task, collection, camera)
    settings = complete(task, options or {})

    def start() -> TrainingRun:
        run = TrainingRun.objects.create(
            task=task,
            name=name,
            licence=licence,
            collection=collection,
            folder=folder,
            camera=camera,
            settings=settings,
            created_by=actor.name[:200],
        )
        _refuse_few(run)
        run.job = job_start(
            kind=JOB,
            actor=actor,
            parameters={"training": str(run.pk)},
            collection=run.collection_id,
        )
        run.save(update_fields=["job"])
        record(actor, "training.start", run, collection_id=run.collection_id, task=task)
        return run

    return in_transaction(start)


def training_run_cancel(*, run: TrainingRun, actor: Actor, keep_best: bool = False) -> None:
    """End a run. It leaves nothing, or with `keep_best` the model with the best weights so far.

    ServiceError 409 `job_ended`; `nothing_to_keep` if no step was done yet.
    """
    if not keep_best:
        owner_cancel(run, _close_left, actor=actor)
    elif run.job is None or not run.job.is_open:
        raise ServiceError("job_ended", "The training has ended already.", status=409)
    else:
        _stop(run, actor)


def training_sweep() -> int:
    """Close runs whose job ended without doing so, and remove folders of runs that are over, a day
    later if they failed; returns the number of both."""
    closed = owners_settle(TrainingRun, _close_left)
    root = training_root()
    folders = [path for path in root.iterdir() if _is_left(path.name)] if root.is_dir() else []
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return closed + len(folders)


def _close_left(run: TrainingRun) -> None:
    message = run.job.message if run.job is not None else "Its job is gone."
    training_close(run, _State.CANCELLED if run.is_job_cancelled else _State.FAILED, message)


def _is_left(name: str) -> bool:
    try:
        run_id = UUID(name)
    except ValueError:
        return False
    new = Q(state=_State.FAILED, ended_at__gt=timezone.now() - _FAILED_KEPT)
    open_ = Q(state=_State.OPEN) | Q(job__state__in=Job.OPEN)
    return not TrainingRun.objects.filter(new | open_, pk=run_id).exists()


def _stop(run: TrainingRun, actor: Actor) -> None:
    def stop() -> None:
        rows = TrainingRun.objects.filter(pk=run.pk, state=_State.OPEN, step__gt=0)
        if not rows.update(stop_step=F("step")):
            message = "No step was done yet: there is nothing to keep."
            raise ServiceError("nothing_to_keep", message, status=409)
        record(actor, "training.stop", run, collection_id=run.collection_id)

    in_transaction(stop)


def _check_camera(task: str, collection: Collection | None, camera: Camera | None) -> None:
    """An adaptation needs a camera, and a training has none. A camera's pictures belong to its
    collection."""
    if (task == _Task.ADAPT) != (camera is not None):
        told = "An adaptation needs a camera." if camera is None else "Only adaptations take one."
        raise ServiceError("camera_required", told)
    if camera is not None and (collection is None or camera.collection_id != collection.pk):
        message = "Adapt with the people of the camera's own collection."
        raise ServiceError("wrong_collection", message)


def _refuse_few(run: TrainingRun) -> None:
    """A look before the job: it looks again, at the faces themselves."""
    if run.collection is None:
        return
    if run.camera is not None:
        kept = run.camera.events.filter(pk__lte=run.pk).exclude(face="")
        refuse_few_camera_faces(kept.count())
    apart = int(run.settings["others"]) * (2 if run.task == _Task.ADAPT else 1)
    owners = images_of(run).order_by().values("person").annotate(count=Count("pk"))
    people, several = owners.count(), owners.filter(count__gt=1).count()
    if people < apart + 2 or several < apart:
        consented = people_to_train_on(run.collection).count()
        message = (
            f"{apart + 2} people with recorded consent are needed, {apart} of them with two "
            f"pictures; of {consented} people with consent, {people} have enough pictures to learn "
            f"from, and {several} have two."
        )
        raise ServiceError("too_few_people", message, status=409, people=people, needed=apart + 2)
