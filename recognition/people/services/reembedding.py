"""Taking up another version of a collection's model: every stored face is embedded again.

Templates of both versions lie side by side until the last face is done; then the collection is
switched in one transaction. Results of a stopped run are kept: the next run continues from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from uuid import UUID

import numpy as np
from django.db.models import QuerySet

from accounts.audit import Actor, record
from ml_engine import Face
from ml_engine.align import align_faces, template_of
from ml_engine.detection.turns import turn_places
from ml_engine.request import Ask
from ml_engine.types import Float32, Image, ImageError
from recognition.engine import get_engine
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.index import note_changes
from recognition.people.model_versions import (
    detector_version,
    embedder_named,
    installed_version,
    missing_version,
)
from recognition.people.models import (
    Calibration,
    Collection,
    FaceImage,
    ModelVersion,
    Template,
    TrainedDecider,
)
from recognition.people.services.locks import lock_collection, refuse_open_change
from recognition.people.services.pictures import decoded, subjects
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

_BATCH = 32
_ASK = Ask(priority="bulk", caller="take_up_model")
# Called after each batch with the numbers of done and of all images. It may raise to stop the run.
Progress = Callable[[int, int], None]


def collection_take_up_model(
    *,
    collection: Collection,
    actor: Actor,
    progress: Progress = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
) -> ModelVersion:
    """Embed the stored faces with the installed version of the collection's model, and switch the
    collection to it. Faces that cannot be read any more are left without a template. check: called
    first in each transaction that stores something; it may raise to stop the run.

    ServiceError 409 `model_unknown` if no model of this name is installed.
    """
    row = Collection.objects.select_related("embedder").filter(pk=collection.pk).first()
    if row is None:
        raise not_found("collection")
    version = _installed(row)
    unreadable: set[UUID] = set()
    while todo := _without_template(row, version, unreadable):
        unreadable |= _embed_batch(row, version, todo, check)
        progress(*_counts(row, version))

    def switch() -> None:
        check()
        _switch(row.pk, version, unreadable, actor)

    in_transaction(switch)
    return version


def taking_up_start(*, collection: Collection, actor: Actor) -> Job:
    """A job that takes up the installed version; the open one, if there is one already.

    ServiceError 409 `model_unknown`, or `model_version_current` if there is nothing to do.
    """
    if installed_version(collection.embedder) is None:
        raise _unknown(collection)
    if missing_version(collection) is None:
        message = f"The collection uses {collection.embedder.version}, which is installed."
        raise ServiceError("model_version_current", message, status=409)
    refuse_open_change(collection)
    return job_start(kind="take_up_model", collection=collection.pk, actor=actor)


def take_up_model_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `take_up_model`. A new attempt continues where the last one
    stopped."""
    collection = Collection.objects.filter(pk=context.collection_id).first()
    if collection is None:
        raise not_found("collection")

    def progress(done: int, total: int) -> None:
        context.progress(done / max(1, total), f"{done} of {total} faces")

    version = collection_take_up_model(
        collection=collection, actor=context.actor, progress=progress, check=context.check
    )
    return {"model": version.version}


def _installed(collection: Collection) -> ModelVersion:
    if installed_version(collection.embedder) is None:
        raise _unknown(collection)
    try:
        return embedder_named(collection.embedder.name)
    except ServiceError as error:
        raise _unknown(collection) from error


def _unknown(collection: Collection) -> ServiceError:
    message = f"No model of the name {collection.embedder.name} is installed."
    return ServiceError("model_unknown", message, status=409)


def _images(collection: Collection) -> QuerySet[FaceImage]:
    return FaceImage.objects.filter(collection=collection.pk).order_by("pk")


def _without_template(
    collection: Collection, version: ModelVersion, unreadable: set[UUID]
) -> list[FaceImage]:
    images = _images(collection).exclude(templates__model=version).exclude(pk__in=unreadable)
    return list(images[:_BATCH])


def _counts(collection: Collection, version: ModelVersion) -> tuple[int, int]:
    images = _images(collection)
    return images.filter(templates__model=version).count(), images.count()


def _embed_batch(
    collection: Collection,
    version: ModelVersion,
    images: Sequence[FaceImage],
    check: Callable[[], None],
) -> set[UUID]:
    """Store templates of these images; returns those whose face cannot be read."""
    detector = detector_version()
    templates, unreadable = [], set()
    for image in images:
        vector = stored_embedding(collection, version, image)
        if vector is None:
            unreadable.add(image.pk)
            continue
        templates.append(
            Template(
                image=image,
                collection_id=collection.pk,
                model=version,
                detector=detector,
                vector=Template.pack(vector),
                dimension=len(vector),
            )
        )

    def insert() -> None:
        check()
        _insert(collection.pk, templates)

    in_transaction(insert)
    return unreadable


def _insert(collection_id: UUID, templates: Sequence[Template]) -> None:
    """Insert templates of those images that still exist: a person may have been erased
    meanwhile."""
    lock_collection(collection_id)
    there = set(
        FaceImage.objects.filter(pk__in=[template.image_id for template in templates]).values_list(
            "pk", flat=True
        )
    )
    kept = [template for template in templates if template.image_id in there]
    Template.objects.bulk_create(kept, ignore_conflicts=True)


def stored_embedding(
    collection: Collection, version: ModelVersion, row: FaceImage, ask: Ask = _ASK
) -> Float32 | None:
    """(d,) of the face in a stored image; None if it cannot be read any more."""
    flip = collection.flip_averaging != Collection.FlipAveraging.NONE
    with _stored(row) as image:
        face = stored_face(image, row) if image is not None else None
        if image is None or face is None:
            return None
        embedded = get_engine().embed(image, [face], ask, embedder=version.version, flip=flip)
    return embedded[0].embedding


def stored_aligned(row: FaceImage, size: int) -> Image | None:
    """(size, size, 3), as networks get it; None if it cannot be read any more."""
    with _stored(row) as image:
        face = stored_face(image, row) if image is not None else None
        return None if image is None or face is None else aligned(image, face, size)


def aligned(image: Image, face: Face, size: int) -> Image:
    """(size, size, 3) RGB."""
    return align_faces(image, face.landmarks[None], template_of("arcface", size), size)[0]


@contextmanager
def _stored(row: FaceImage) -> Iterator[Image | None]:
    """None if its file is missing, or no picture."""
    with ExitStack() as stack:
        try:
            with row.file.open("rb") as file:
                image = stack.enter_context(decoded(file.read()))
        except (FileNotFoundError, ImageError):
            image = None
        yield image


def stored_face(image: Image, row: FaceImage) -> Face | None:
    """The face in its stored crop, by its landmarks; detected again if none are stored."""
    if row.landmarks:
        corner = np.array([row.crop_left, row.crop_top], np.float32)
        landmarks = (np.array(row.landmarks, np.float32) - corner) * row.crop_scale
        left, top, width, height = row.box
        box = np.array([left, top, left + width, top + height], np.float32)
        box = (box - np.tile(corner, 2)) * row.crop_scale
        height, width = image.shape[:2] if row.crop_turn % 180 == 0 else image.shape[1::-1]
        box, landmarks = turn_places(box, landmarks, row.crop_turn, (height, width))
        return Face(box=box, landmarks=landmarks, score=1.0)
    found = subjects(get_engine().find([image], ask=_ASK)[0])
    return found[0] if found else None


def _switch(
    collection_id: UUID, version: ModelVersion, unreadable: set[UUID], actor: Actor
) -> None:
    """Switch the collection to the new version in one transaction, and drop all data of the old
    one."""
    collection = lock_collection(collection_id)
    refuse_open_change(collection)
    left = _images(collection).exclude(templates__model=version).exclude(pk__in=unreadable)
    if left.exists():
        message = "Pictures were enrolled meanwhile. Start again: it goes on from here."
        raise ServiceError("images_added", message, status=409)
    before = collection.embedder_id
    collection.embedder = version
    collection.uses_own_curve = False
    collection.save(update_fields=["embedder", "uses_own_curve"])
    if before != version.pk:
        Calibration.objects.filter(collection=collection, model=before).delete()
        TrainedDecider.objects.filter(collection=collection, model=before).delete()
        Template.objects.filter(collection=collection, model=before).delete()
    made = Template.objects.filter(collection=collection, model=version)
    note_changes(collection, made.values_list("pk", flat=True))
    record(actor, "collection.take_up_model", collection, collection_id=collection.pk,
           model=version.version, unreadable=len(unreadable))  # fmt: skip
