"""The job of a training run: collect faces, train in a child process, keep the model."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from ml_engine.formats import Wish
from ml_engine.types import WeightsUnavailable
from ml_engine.zoo import PRESETS, Preprocessing, fetch
from recognition.jobs.context import JobCancelled, JobContext
from recognition.jobs.kinds import JsonObject
from recognition.people.models import ModelVersion
from recognition.people.services.locks import lock_collection
from recognition.people.services.own_models import model_add
from recognition.people.services.trained_people import trained_people_put
from recognition.training.models import TrainingRun
from recognition.training.options import ADAPTED_PRESET, recipe_of
from recognition.training.services.faces import (
    CameraFaces,
    FaceFile,
    PeopleLeft,
    faces_collected,
    owners_of,
)
from recognition.training.services.trainer import KILLED, Trainer, trainer
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError, not_found
from recognition.web.storage import problem_of, require_room, storage_refusal
from recognition.web.transactions import in_transaction

_State = TrainingRun.State
_DIR = "training"
_POLL_S = 1.0
# Pauses between two looks whether somebody left.
_LOOK_EVERY_S = 5.0
# Room for a first checkpoint and a model.
_FIRST_BYTES = 2**28
# Pixels as they are: the networks normalise them.
_PREPROCESSING = Preprocessing(mean=0, scale=1)


@dataclass(slots=True)
class _Attempt:
    """step: of the child, as it said last. looked_s: when somebody was last looked for who left."""

    context: JobContext
    run: TrainingRun
    faces: FaceFile
    folder: Path
    step: int = 0
    looked_s: float = 0.0


def training_root() -> Path:
    """Each run has a folder here while it is open, with weights and figures, without pictures. It
    is beside the models, because every worker has to reach those."""
    return Path(settings.WEIGHTS_DIR) / _DIR


def run_training(context: JobContext, run_id: str, camera_faces: CameraFaces) -> JsonObject:
    """Run, or go on with, a training. If a person leaves, it begins again without that person.

    ServiceError: see `faces_collected`, `Trainer.next` and `model_add`.
    """
    run = _begin(context, run_id)
    try:
        while run.model is None:
            try:
                _attempt(context, run, camera_faces)
            except PeopleLeft:
                context.log("A person or an image left the run: it begins again without them.")
    except JobCancelled:
        training_close(run, _State.CANCELLED)
        raise
    except ServiceError as error:
        if error.status < 500:
            training_close(run, _State.FAILED, error.message)
        raise
    except OSError as error:
        if (problem := problem_of(error)) is None:
            raise
        raise storage_refusal(problem) from error
    training_close(run, _State.DONE)
    return {"model": run.model.version, "people": run.people, "pictures": run.pictures}


def training_close(run: TrainingRun, state: TrainingRun.State, message: str = "") -> None:
    """The run is over, and its folder goes. That of a run that failed is left to `training_sweep`:
    the run may be started again. Does nothing to a run that is over already."""
    rows = TrainingRun.objects.filter(pk=run.pk)
    rows.filter(state=_State.OPEN).update(
        state=state, message=message[:300], ended_at=timezone.now()
    )
    if state != _State.FAILED or not rows.exists():
        shutil.rmtree(training_root() / str(run.pk), ignore_errors=True)


def _begin(context: JobContext, run_id: str) -> TrainingRun:
    """A job that was started again takes up a run that failed."""

    def begin() -> None:
        context.check()
        rows = TrainingRun.objects.filter(pk=run_id, model=None)
        rows.update(job=context.job_id, state=_State.OPEN, message="", ended_at=None)

    in_transaction(begin)
    rows = TrainingRun.objects.select_related("collection__embedder", "camera", "model")
    run = rows.filter(pk=run_id).first()
    if run is None:
        raise not_found("training run")
    return run


def _attempt(context: JobContext, run: TrainingRun, camera_faces: CameraFaces) -> None:
    """Sets `run.model`."""

    def progress(done: int, total: int) -> None:
        context.progress(0.0, f"Collecting faces: {done} of {total}")

    root = training_root() / str(run.pk)
    root.mkdir(parents=True, exist_ok=True)
    require_room(root, _FIRST_BYTES, "A training")
    with faces_collected(run, camera_faces, progress) as faces:
        folder = root / f"{faces.rows_sha256[:16]}-{faces.sha256[:16]}"
        _remove_others(root, folder, keeps_same_rows=faces.missing > 0)
        _begin_anew(run, folder)
        attempt = _Attempt(context, run, faces, folder)
        _add_model(attempt, _train(attempt))
    run.refresh_from_db()


def _add_model(attempt: _Attempt, done: JsonDict) -> None:
    run = attempt.run
    attempt.context.progress(1.0, "Checking the model")
    model_add(
        path=attempt.folder / str(done["file"]),
        name=run.name,
        wish=Wish(preprocessing=_PREPROCESSING),
        actor=attempt.context.actor,
        licence=_licence(run),
        training_data=_training_data(run, attempt.faces),
        kept=lambda version: _keep(attempt, done, version),
    )


def _remove_others(root: Path, folder: Path, *, keeps_same_rows: bool) -> None:
    """Remove what was trained on other faces, because somebody left meanwhile. keeps_same_rows:
    files of the same images are missing and may come back, so nobody left."""
    rows = folder.name.partition("-")[0]
    for path in root.iterdir():
        is_kept = keeps_same_rows and path.name.startswith(f"{rows}-")
        if path != folder and not is_kept:
            shutil.rmtree(path, ignore_errors=True)


def _begin_anew(run: TrainingRun, folder: Path) -> None:
    """No step is done until the child says so."""
    rows = TrainingRun.objects.filter(pk=run.pk)
    rows.update(step=0)
    if not folder.exists():
        rows.update(curve=[])


def _train(attempt: _Attempt) -> JsonDict:
    """What the child says last."""
    if attempt.run.task == TrainingRun.Task.ADAPT:
        _fetch_preset()
    run, faces = attempt.run, attempt.faces
    request = {
        "task": run.task,
        "folder": str(attempt.folder),
        "size": faces.size,
        "faces": len(faces.people),
        "camera": faces.camera,
        "people": faces.people,
        "others": run.settings["others"],
        "settings": recipe_of(run),
        "base": ADAPTED_PRESET,
        "weights": str(settings.WEIGHTS_DIR),
    }
    attempt.context.progress(0.0, "Preparing the network")
    with trainer(request, faces.file.fileno()) as child:
        while (answer := _hear(attempt, child)) is None or "done" not in answer:
            if answer:
                _store(attempt, answer["progress"])
    return answer["done"]


def _hear(attempt: _Attempt, child: Trainer) -> JsonDict | None:
    """The child's next answer, and the user's wishes meanwhile."""
    try:
        answer = child.next(_POLL_S)
    except ServiceError as error:
        if error.code == KILLED:
            _refuse_second_kill(attempt.run, error)
        raise
    attempt.context.check()
    if time.monotonic() - attempt.looked_s >= _LOOK_EVERY_S:
        owners_of(attempt.run, attempt.faces.images)
        attempt.looked_s = time.monotonic()
    # Weights that began anew since the user's wish are not those that were meant.
    if TrainingRun.objects.filter(pk=attempt.run.pk, stop_step__lte=attempt.step).exists():
        child.stop()
    return answer


def _refuse_second_kill(run: TrainingRun, error: ServiceError) -> None:
    """The system kills a process if memory is short: it would kill the same one each time."""
    rows = TrainingRun.objects.filter(pk=run.pk)
    if rows.filter(was_killed=False).update(was_killed=True):
        return
    rows.update(was_killed=False)
    message = (
        "The process that trains was killed twice: it needs more memory. Choose a smaller batch, "
        "picture or network."
    )
    raise ServiceError("training_needs_memory", message, status=422) from error


def _fetch_preset() -> None:
    """Here, because the child has no settings of a proxy."""
    try:
        fetch(ADAPTED_PRESET, Path(settings.WEIGHTS_DIR))
    except WeightsUnavailable as error:
        raise ServiceError(error.code, error.message, status=503) from error


def _store(attempt: _Attempt, progress: JsonDict) -> None:
    step, steps = progress["step"], progress["steps"]
    attempt.context.progress(step / max(1, steps), f"Step {step} of {steps}")
    attempt.step = step
    sizes = [path.stat().st_size for path in attempt.folder.glob("checkpoint.npz")]
    # The next one is written beside it, and then a model.
    require_room(attempt.folder, max([_FIRST_BYTES, *(2 * size for size in sizes)]), "A training")

    def store() -> None:
        attempt.context.check()
        TrainingRun.objects.filter(pk=attempt.run.pk).update(
            **progress, people=len(attempt.faces.keys), pictures=len(attempt.faces.people)
        )

    in_transaction(store)


def _keep(attempt: _Attempt, done: JsonDict, version: ModelVersion) -> None:
    """In the transaction that stores the model: nobody leaves between this look and its end."""
    attempt.context.check()
    run, faces = attempt.run, attempt.faces
    if run.collection_id is not None:
        lock_collection(run.collection_id)
    trained_people_put(version, owners_of(run, faces.images))
    values = {name: done[name] for name in ("step", "steps", "curve", "figures", "record")}
    TrainingRun.objects.filter(pk=run.pk).update(
        **values, model=version, people=len(faces.keys), pictures=len(faces.people)
    )
    told = {name: value for name, value in done["figures"].items() if name != "camera"}
    version.report["training"] = {"run": str(run.pk), "task": run.task, **told}
    version.save(update_fields=["report"])


def _licence(run: TrainingRun) -> str:
    """An adapted preset keeps its own."""
    if run.task == TrainingRun.Task.TRAIN:
        return run.licence
    of_preset = f"{ADAPTED_PRESET}: {PRESETS[ADAPTED_PRESET].licence}"
    return f"{of_preset}; {run.licence}" if run.licence else of_preset


def _training_data(run: TrainingRun, faces: FaceFile) -> str:
    """Keys of other collections read it: it names none."""
    where = "a folder of the server" if run.collection_id is None else "a collection"
    told = f"{len(faces.people)} pictures of {len(faces.keys)} people of {where}"
    if run.task == TrainingRun.Task.TRAIN:
        return told
    before = f"{ADAPTED_PRESET} ({PRESETS[ADAPTED_PRESET].training_data})"
    return f"{before}, adapted with {told}, spoiled as a camera spoils them"
