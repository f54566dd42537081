"""The demo: somebody enrolled with one photograph, and a video of them and of a stranger that plays
as a camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from accounts.audit import Actor
from ml_engine.images import decode_image
from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_create
from recognition.cameras.services.demo_video import write_demo_video
from recognition.people.models import Collection, Person
from recognition.people.services.enrolment import images_enrol
from recognition.people.services.persons import person_create
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload

PERSON_NAME = "Barack Obama"
PERSON_EXTERNAL_ID = "demo-obama"
ENROLLED = "obama.jpg"
# Other photographs than the enrolled one, and somebody who is not enrolled.
PLAYED = ("obama2.jpg", "biden.jpg", "obama3.jpg")
CAMERA_NAME = "Demo"
VIDEO_NAME = "demo.mp4"


def demo_ensure(*, collection: Collection, photos: Mapping[str, Path], actor: Actor) -> None:
    """Make what is not there yet. photos: name of each sample to its file."""
    _ensure_person(collection, photos, actor)
    video = settings.VIDEO_DIR / VIDEO_NAME
    if not video.exists():
        write_demo_video(video, [decode_image(photos[name].read_bytes()) for name in PLAYED])
    if not Camera.objects.filter(name=CAMERA_NAME).exists():
        camera_create(
            collection=collection,
            actor=actor,
            name=CAMERA_NAME,
            kind=Camera.Kind.FILE,
            address=VIDEO_NAME,
        )


def _ensure_person(collection: Collection, photos: Mapping[str, Path], actor: Actor) -> None:
    person = Person.objects.filter(collection=collection, external_id=PERSON_EXTERNAL_ID).first()
    if person is None:
        person = person_create(
            collection=collection,
            actor=actor,
            name=PERSON_NAME,
            external_id=PERSON_EXTERNAL_ID,
            labels=["demo"],
        )
    if person.images.exists():
        return
    upload = Upload(ENROLLED, photos[ENROLLED].read_bytes())
    outcome = images_enrol(person=person, uploads=[upload], source="demo", actor=actor)[0]
    if not outcome.accepted:
        raise ServiceError(outcome.code, f"{ENROLLED} was refused: {outcome.message}")
