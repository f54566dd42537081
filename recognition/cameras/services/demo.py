"""The demo: a collection of its own in which one person is enrolled with one photograph, and a
video of this person and of a stranger that plays as a camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from accounts.audit import Actor
from ml_engine.images import decode_image
from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_create
from recognition.cameras.services.demo_video import write_demo_video
from recognition.cameras.sources import FILE
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, Person
from recognition.people.services.collections import collection_create
from recognition.people.services.enrolment import face_enrol
from recognition.people.services.face_choice import ONLY
from recognition.people.services.identification import default_embedder
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload

COLLECTION_NAME = "Demo"
PERSON_NAME = "Barack Obama"
ENROLLED = "obama.jpg"
# Other photographs than the enrolled one, and a person who is not enrolled.
PLAYED = ("obama2.jpg", "biden.jpg", "obama3.jpg")
CAMERA_NAME = "Demo"
VIDEO_NAME = "demo.mp4"
# The face is enrolled already, perhaps under another name.
_KNOWN = {"duplicate_image", "looks_like_another_person"}


def demo_ensure(*, photos: Mapping[str, Path], actor: Actor) -> Camera:
    """Make what is not there yet. photos: name of each sample to its file."""
    collection = Collection.objects.filter(name=COLLECTION_NAME).first() or collection_create(
        name=COLLECTION_NAME, embedder=ensure_model_version(default_embedder()), actor=actor
    )
    _ensure_person(collection, photos, actor)
    video = settings.VIDEO_DIR / VIDEO_NAME
    if not video.exists():
        write_demo_video(video, [decode_image(photos[name].read_bytes()) for name in PLAYED])
    made = Camera.objects.filter(collection=collection, address=VIDEO_NAME).first()
    return made or camera_create(
        collection=collection,
        actor=actor,
        name=_free_name(),
        kind=FILE,
        address=VIDEO_NAME,
    )


def _ensure_person(collection: Collection, photos: Mapping[str, Path], actor: Actor) -> None:
    """The person and the photo are stored together, or neither of them."""
    people = Person.objects.filter(collection=collection)
    if people.filter(images__isnull=False).exists():
        return
    outcome = face_enrol(
        collection=collection,
        person=people.filter(name=PERSON_NAME).first(),
        name=PERSON_NAME,
        upload=Upload(ENROLLED, photos[ENROLLED].read_bytes()),
        choice=ONLY,
        source="demo",
        actor=actor,
    )
    if not outcome.accepted and outcome.code not in _KNOWN:
        raise ServiceError(outcome.code, f"{ENROLLED} was refused: {outcome.message}")


def _free_name() -> str:
    """Names of cameras are unique, and another camera may have this one."""
    is_taken = Camera.objects.filter(name=CAMERA_NAME).exists()
    return f"{CAMERA_NAME} ({COLLECTION_NAME})" if is_taken else CAMERA_NAME
