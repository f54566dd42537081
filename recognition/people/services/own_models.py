"""Models of the user's own: add, evaluate, use, remove."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet

from accounts.audit import Actor, record
from ml_engine.formats import Wish, convert_file, size_of
from ml_engine.matching import ImpostorCurve
from ml_engine.matching.cohort import PLAIN
from ml_engine.matching.crowd_choice import chosen_crowd
from ml_engine.matching.error_rates import ErrorRates, TooFewPeople, error_rates, people_needed
from ml_engine.request import Ask
from ml_engine.types import EngineError, Float32, ImageError, ModelRefused, ModelUnfinished
from ml_engine.zoo import PRESETS
from ml_engine.zoo.own import REMOVED_MARK, check_name
from recognition.engine import get_engine
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.model_files import is_in_place
from recognition.people.model_versions import curve_put, detector_in_use
from recognition.people.models import (
    Collection,
    FaceImage,
    ModelChange,
    ModelVersion,
    Person,
    TrainedPerson,
)
from recognition.people.services.collections import collection_update
from recognition.people.services.model_changes import model_change_start
from recognition.people.services.pictures import decoded, subjects
from recognition.people.services.reembedding import stored_embedding
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError, not_found
from recognition.web.storage import problem_of, require_room, storage_refusal
from recognition.web.transactions import after_commit, in_transaction

logger = logging.getLogger(__name__)

_ASK = Ask(priority="bulk", caller="evaluate_model")
# Unpacked, converted, and as a graph; the last two once more in the folder of weights, which may be
# on the same disk.
_TIMES_ITS_SIZE = 5
# A network with more errors than this cannot name people: a random one has .35 and more.
_MOST_EER = 0.15
# No pair is listed as similar: the pictures are not of the site's own people.
_NONE_SIMILAR = 2.0
# The source of figures, which keys of other collections read: it names none.
OF_A_COLLECTION = "the people of a collection"
_PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic"})
# Called with the numbers of done and of all pictures. It may raise to stop the run.
Progress = Callable[[int, int], None]
# The name of a person, and the vector of one picture; None if no face was found.
Vectors = Iterable[tuple[str, Float32 | None]]


def _no_progress(done: int, total: int) -> None:
    """For callers that show none."""


def model_add(
    *,
    path: Path,
    name: str,
    wish: Wish,
    actor: Actor,
    licence: str = "",
    training_data: str = "",
    kept: Callable[[ModelVersion], None] = lambda version: None,
) -> ModelVersion:
    """Check, convert and probe a file (see `ml_engine.formats`), and keep it as a model.

    kept: called in the transaction that stores the row; it may raise to keep nothing.

    ServiceError 422 `model_refused` or `operation_refused` with the reason; 400 `bad_name`; 503
    `model_unfinished` if the machine had not the time or memory to tell, and `model_gone`; 409
    `model_known` if this model was added already; 507 `storage_full`. Nothing is kept then.
    """
    refuse_bad_name(name)
    needed = _TIMES_ITS_SIZE * size_of(path)
    for folder in (Path(tempfile.gettempdir()), Path(settings.WEIGHTS_DIR)):
        require_room(folder, needed, f"Adding {path.name}")
    try:
        made = convert_file(path, Path(settings.WEIGHTS_DIR), wish)
    except ModelRefused as error:
        logger.warning("a model was refused: %s", error)
        status = 503 if isinstance(error, ModelUnfinished) else 422
        raise ServiceError(error.code, error.message, status=status) from error
    except OSError as error:
        if (problem := problem_of(error)) is None:
            raise
        raise storage_refusal(problem) from error

    def create() -> ModelVersion:
        version = ModelVersion.objects.create(
            role=ModelVersion.Role.EMBEDDER,
            source=ModelVersion.Source.FILE,
            name=name,
            sha256=made.card.sha256,
            file=str(made.folder),
            dimension=made.card.dimension,
            report=made.report | {"card": asdict(made.card), "limits": made.held},
            state=ModelVersion.State.ADDED,
            licence=licence,
            training_data=training_data,
        )
        if not is_in_place(version):
            message = "The files of this model were removed meanwhile. Add it again."
            raise ServiceError("model_gone", message, status=503)
        record(actor, "model.add", version, source=made.card.source)
        kept(version)
        return version

    try:
        return in_transaction(create)
    except IntegrityError as error:
        message = f"{name} was added already, with the same file and settings."
        raise ServiceError("model_known", message, status=409) from error
    except BaseException:
        _mark_removed(Path(settings.WEIGHTS_DIR) / made.folder)
        raise


def model_remove(*, version: ModelVersion, actor: Actor) -> None:
    """Remove a model of the user's own. Its files are left to `model_files_sweep`, because the same
    file may be added again at this moment. 409 `model_in_use` if something was made with it; 400
    `not_own` for a preset."""
    if version.source != ModelVersion.Source.FILE:
        raise ServiceError("not_own", "A preset cannot be removed.")

    def remove() -> None:
        record(actor, "model.remove", version)
        version.delete()
        after_commit(lambda: _mark_removed(Path(settings.WEIGHTS_DIR) / version.file))

    try:
        in_transaction(remove)
    except ProtectedError as error:
        message = f"{version.version} is in use: collections, faces or events were made with it."
        raise ServiceError("model_in_use", message, status=409) from error


def _mark_removed(folder: Path) -> None:
    with suppress(OSError):  # it is gone, or its disk is
        (folder / REMOVED_MARK).touch()


def model_use(*, version: ModelVersion, collection: Collection, actor: Actor) -> ModelChange | None:
    """Make it the embedder of a collection. If the collection has templates, a model change is
    started and returned, which has to be switched when it is ready. ServiceError 409: see
    `collection_update` and `model_change_start`."""
    if collection.templates.exists():
        return model_change_start(collection=collection, model=version, actor=actor)
    collection_update(collection=collection, actor=actor, embedder=version)
    return None


def evaluating_start(*, version: ModelVersion, collection: Collection, actor: Actor) -> Job:
    """A job that evaluates the model on the people of a collection, without those it was trained
    on. ServiceError 409 `too_few_people`; the job may also end with it."""
    people = _people_to_judge(version, collection).count()
    if people < people_needed():
        raise _too_few(people)
    return job_start(
        kind="evaluate_model",
        collection=collection.pk,
        parameters={"model": version.pk},
        actor=actor,
    )


def evaluate_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `evaluate_model`."""
    version = ModelVersion.objects.filter(pk=str(parameters["model"])).first()
    collection = Collection.objects.filter(pk=context.collection_id).first()
    if version is None or collection is None:
        raise not_found("model or collection")

    def progress(done: int, total: int) -> None:
        context.progress(done / max(1, total), f"{done} of {total} faces")

    version = model_evaluate(
        version=version,
        vectors=collection_vectors(version, collection, progress),
        source=OF_A_COLLECTION,
        actor=context.actor,
        check=context.check,
    )
    return {"model": version.version, "state": version.state, **_summary(version.figures)}


def model_evaluate(
    *,
    version: ModelVersion,
    vectors: Vectors,
    source: str,
    actor: Actor,
    check: Callable[[], None] = lambda: None,
) -> ModelVersion:
    """Measure a model on faces of many people: error rates, an impostor curve, and whether it may
    be used. Of a preset only the figures are kept. The state of a model in use does not change
    either, and its curve waits until somebody takes it (`evaluated_curve_use`): what collections
    decide by does not change.

    Args:
        vectors: from `folder_vectors` or `collection_vectors`.
        source: what they are of, for people.
        check: called before the result is stored; it may raise to stop the run.

    ServiceError 409 `too_few_people`, also if no two faces are of one person; 404 `not_found` if
    the model was removed meanwhile; 422 `engine_error` codes if the model does not run.
    """
    try:
        rates = _rates(version, vectors, source)
    except EngineError as error:
        raise ServiceError(error.code, error.message, status=422) from error
    if rates.eer is None:
        raise _too_few(rates.people, "Two faces of one person are needed, too, of some people.")
    state = ModelVersion.State.USABLE if rates.eer <= _MOST_EER else ModelVersion.State.EVALUATED

    def store() -> ModelVersion:
        check()
        row = ModelVersion.objects.select_for_update().filter(pk=version.pk).first()
        if row is None:
            raise not_found("model")
        row.figures = _figures(rates)
        if row.source == ModelVersion.Source.FILE:
            _store_curve(row, rates.curve, state)
        row.save(update_fields=["state", "figures", "impostor_curves", "evaluated_curves"])
        record(actor, "model.evaluate", row, people=rates.people, state=row.state)
        return row

    check()
    return in_transaction(store)


def is_in_use(version: ModelVersion) -> bool:
    return Collection.objects.filter(Q(embedder=version) | Q(candidate=version)).exists()


def _store_curve(version: ModelVersion, curve: ImpostorCurve, state: ModelVersion.State) -> None:
    if is_in_use(version):
        version.evaluated_curves = {detector_in_use(): curve.to_dict()}
        return
    version.state, version.evaluated_curves = state, {}
    curve_put(version, curve)


def folder_vectors(
    version: ModelVersion, folder: Path, progress: Progress = _no_progress
) -> Iterator[tuple[str, Float32 | None]]:
    """Of a folder with a folder of photos for each person; the largest face of each photo."""
    photos = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _PHOTOS)
    for number, path in enumerate(photos):
        progress(number, len(photos))
        yield path.parent.name, _largest_face(version, path.read_bytes())


def collection_vectors(
    version: ModelVersion, collection: Collection, progress: Progress = _no_progress
) -> Iterator[tuple[str, Float32 | None]]:
    """Of the stored faces of a collection's active people, but for those that the model was
    trained on."""
    people = _people_to_judge(version, collection)
    images = FaceImage.objects.filter(collection=collection, person__in=people)
    ids = list(images.order_by("pk").values_list("pk", flat=True))
    for number, image_id in enumerate(ids):
        progress(number, len(ids))
        image = images.filter(pk=image_id).first()
        if image is not None:
            yield str(image.person_id), stored_embedding(collection, version, image)


def _people_to_judge(version: ModelVersion, collection: Collection) -> QuerySet[Person]:
    trained = TrainedPerson.objects.filter(model=version, person=OuterRef("pk"))
    return collection.persons.filter(~Exists(trained), is_active=True)


def _largest_face(version: ModelVersion, content: bytes) -> Float32 | None:
    try:
        with decoded(content) as image:
            found = subjects(get_engine().find([image], ask=_ASK)[0])
            if not found:
                return None
            return (
                get_engine()
                .embed(image, found[:1], _ASK, embedder=version.version, flip=True)[0]
                .embedding
            )
    except ImageError:
        return None


def _rates(version: ModelVersion, vectors: Vectors, source: str) -> ErrorRates:
    numbers: dict[str, int] = {}
    rows, people = [], []
    for person, vector in vectors:
        if vector is not None:
            rows.append(vector)
            people.append(numbers.setdefault(person, len(numbers)))
    if len(numbers) < people_needed():
        raise _too_few(len(numbers))
    embeddings, owners = np.stack(rows).astype(np.float32), np.array(people, np.intp)
    try:
        return error_rates(
            embeddings,
            owners,
            model=version.version,
            detector=detector_in_use(),
            source=source,
            similar_from=_NONE_SIMILAR,
            cohort=replace(PLAIN, crowd=chosen_crowd(embeddings, owners)),
        )
    except TooFewPeople as error:
        raise _too_few(len(numbers)) from error


def _figures(rates: ErrorRates) -> JsonDict:
    """As JSON; nobody is named."""
    plain = asdict(rates)
    for name in ("curve", "similar_pairs", "similar_pairs_total"):
        plain.pop(name)
    return plain


def _summary(figures: JsonDict) -> JsonObject:
    return {name: figures[name] for name in ("people", "templates", "eer")}


def refuse_bad_name(name: str) -> None:
    """ServiceError 400 `bad_name`."""
    try:
        check_name(name)
    except ValueError as error:
        raise ServiceError("bad_name", str(error)) from error
    if name in PRESETS:
        raise ServiceError("bad_name", f"{name} is a preset: choose another name.")


def _too_few(people: int, message: str = "") -> ServiceError:
    needed = people_needed()
    told = f"There are faces of {people} people; {needed} are needed for an evaluation."
    return ServiceError("too_few_people", message or told, status=409, people=people, needed=needed)
