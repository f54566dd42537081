"""The aligned faces of a run, in a file without a name: it is gone when its process ends.

So nothing of a person is left in a folder of the run, and every attempt collects anew. What was
enrolled after the start of the run is not in it, so that an attempt finds the same faces again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from ml_engine.request import Ask
from ml_engine.types import Image, ImageError
from recognition.engine import get_engine
from recognition.people.models import FaceImage
from recognition.people.services.pictures import decoded, subjects
from recognition.people.services.reembedding import aligned, stored_aligned
from recognition.people.services.trained_people import people_to_train_on
from recognition.training.models import TrainingRun
from recognition.training.options import size_of
from recognition.web.errors import ServiceError, not_found
from recognition.web.storage import Problem, media_problem, require_room, storage_refusal

_Task = TrainingRun.Task
_ASK = Ask(priority="bulk", caller="training")
_PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic"})
# Of a larger collection, the people who were enrolled first.
MOST_PICTURES = {_Task.TRAIN: 20_000, _Task.ADAPT: 6_000}
# Faces of a camera that a fit needs.
LEAST_CAMERA_FACES = 20
# Encoded faces that a camera kept before a run, the newest first.
CameraFaces = Callable[[TrainingRun], Iterable[bytes]]
# Called with the numbers of done and of all pictures. It may raise to stop.
Progress = Callable[[int, int], None]
_ASKED_AT_ONCE = 1000


class PeopleLeft(Exception):
    """A person of the run was erased or withdrew the consent, or an image was deleted."""


class FaceFile:
    """RGB faces of `size` pixels: those of people, then those of a camera.

    people: the person of each of the former, numbered. keys: of these people, ids or names.
    images: rows of a collection's faces. missing: rows whose file was not there. camera: number of
    the camera's faces.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.size = size
        self.people: list[int] = []
        self.images: list[UUID] = []
        self.missing = 0
        self.camera = 0
        self._numbers: dict[str, int] = {}
        self._digest = hashlib.sha256()
        self._rows_digest = hashlib.sha256()

    def add(self, face: Image, person: str | None) -> None:
        """person: None for a face of the camera; these come last."""
        content = face.tobytes()
        self.file.write(content)
        self._digest.update((person or "camera").encode() + b"\0" + content)
        if person is None:
            self.camera += 1
        else:
            self.people.append(self._numbers.setdefault(person, len(self._numbers)))

    def add_row(self, row: FaceImage) -> None:
        """A row that may be trained on, whether or not its file is there."""
        self._rows_digest.update(row.pk.bytes)

    @property
    def rows_sha256(self) -> str:
        """Another one means that a person or an image left; a missing file does not change it."""
        return self._rows_digest.hexdigest()

    @property
    def keys(self) -> list[str]:
        return list(self._numbers)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def faces_collected(
    run: TrainingRun, camera_faces: CameraFaces, progress: Progress
) -> Iterator[FaceFile]:
    """Find and align the faces of a run, as serving does, and keep them until the end of `with`.

    ServiceError 404 if the collection is gone; 409 `too_few_people`, `too_few_camera_faces`,
    `too_many_pictures`; 507 `storage_full`; 503 `storage_gone` if the pictures are not there;
    OSError for a full disk.
    """
    with tempfile.TemporaryFile() as file:
        made = FaceFile(file, size_of(run))
        _fill(made, run, camera_faces, progress)
        file.flush()
        yield made


def _fill(made: FaceFile, run: TrainingRun, camera_faces: CameraFaces, progress: Progress) -> None:
    # First, because it is short and may refuse the run.
    of_camera = _of_camera(run, camera_faces, progress) if run.task == _Task.ADAPT else []
    if run.collection is None:
        _add_folder(made, folder_of(run.folder), progress)
    else:
        _add_stored(made, run, progress)
    if made.missing and not made.images:
        raise storage_refusal(Problem.GONE)
    if not made.people:
        raise ServiceError("too_few_people", "There are no faces to train on.", status=409)
    for face in of_camera:
        made.add(face, None)


def _of_camera(run: TrainingRun, camera_faces: CameraFaces, progress: Progress) -> list[Image]:
    found = []
    for number, content in enumerate(camera_faces(run)):
        progress(number, number + 1)
        if (face := _largest(content, size_of(run))) is not None:
            found.append(face)
    if len(found) < LEAST_CAMERA_FACES:
        _refuse_lost_media()
    refuse_few_camera_faces(len(found))
    return found


def refuse_few_camera_faces(count: int) -> None:
    if count < LEAST_CAMERA_FACES:
        message = f"The camera kept {count} faces; {LEAST_CAMERA_FACES} are needed."
        raise ServiceError("too_few_camera_faces", message, status=409)


def images_of(run: TrainingRun) -> QuerySet[FaceImage]:
    """The images that a run of a collection is made from."""
    assert run.collection is not None
    before = Q(images__pk__lte=run.pk)
    people = people_to_train_on(run.collection).annotate(count=Count("images", filter=before))
    # One picture of a person teaches a network nothing; an adaptation needs no names.
    least = 2 if run.task == _Task.TRAIN else 1
    owners = people.filter(count__gte=least).values("pk")
    return FaceImage.objects.filter(pk__lte=run.pk, person__in=owners)


def owners_of(run: TrainingRun, images: Sequence[UUID]) -> set[UUID]:
    """The people of images that a run is made from; none for those of a folder.

    PeopleLeft if an image is gone, or its person may not be trained on any more. ServiceError 404
    if the run, and with it its collection, is gone.
    """
    row = TrainingRun.objects.select_related("collection").filter(pk=run.pk).first()
    if row is None:
        raise not_found("training run")
    if row.collection is None:
        return set()
    people = people_to_train_on(row.collection).order_by()
    owners: list[UUID] = []  # one for each image
    for start in range(0, len(images), _ASKED_AT_ONCE):
        part = images[start : start + _ASKED_AT_ONCE]
        owners += people.filter(images__in=part).values_list("pk", flat=True)
    if len(owners) < len(images):
        raise PeopleLeft
    return set(owners)


def _add_stored(made: FaceFile, run: TrainingRun, progress: Progress) -> None:
    order = images_of(run).order_by("person_id", "pk")[: MOST_PICTURES[_Task(run.task)]]
    ids: list[UUID] = list(order.values_list("pk", flat=True))
    _require_room(made, len(ids))
    for number, image_id in enumerate(ids):
        progress(number, len(ids))
        row = FaceImage.objects.filter(pk=image_id).first()
        if row is None:
            continue
        made.add_row(row)
        if (face := stored_aligned(row, made.size)) is not None:
            made.add(face, str(row.person_id))
            made.images.append(image_id)
        elif not row.file.storage.exists(row.file.name or ""):
            made.missing += 1
            _refuse_lost_media()


def _refuse_lost_media() -> None:
    """If pictures are missing: they may come back with their disk."""
    if media_problem() == Problem.GONE:
        raise storage_refusal(Problem.GONE)


def _require_room(made: FaceFile, pictures: int) -> None:
    needed = pictures * made.size**2 * 3
    require_room(Path(tempfile.gettempdir()), needed, "The faces of a training")


def folder_of(name: str) -> Path:
    """ServiceError 400 `no_such_folder` if it is not a folder of TRAINING_DATA_DIR."""
    root = Path(settings.TRAINING_DATA_DIR)
    is_name = bool(name) and "\0" not in name and Path(name).name == name and name != ".."
    # A name that the system finds too long is no folder either.
    if not is_name or name not in folder_names():
        message = f"There is no folder {name!r} among the server's training data."
        raise ServiceError("no_such_folder", message)
    return root / name


def folder_names() -> list[str]:
    root = Path(settings.TRAINING_DATA_DIR)
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _add_folder(made: FaceFile, folder: Path, progress: Progress) -> None:
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _PHOTOS)
    most = MOST_PICTURES[_Task.TRAIN]
    if len(paths) > most:
        message = f"The folder has {len(paths):,} photos; {most:,} may be trained on."
        raise ServiceError("too_many_pictures", message, status=409)
    _require_room(made, len(paths))
    for number, path in enumerate(paths):
        progress(number, len(paths))
        face = _largest(path.read_bytes(), made.size)
        if face is not None:
            made.add(face, path.parent.name)


def _largest(content: bytes, size: int) -> Image | None:
    """The largest face; None if there is none, or no picture."""
    try:
        with decoded(content) as image:
            found = subjects(get_engine().find([image], ask=_ASK)[0])
            return aligned(image, found[0], size) if found else None
    except ImageError:
        return None
