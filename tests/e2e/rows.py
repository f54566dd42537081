"""Rows that a test of the pages starts with and no REST address makes; see `tests.e2e.hand`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from ml_engine.align import TEMPLATE_112
from ml_engine.images import encode_jpeg
from ml_engine.types import Float32, Image
from recognition.cameras.models import CameraMinute
from recognition.events.models import Clip, Event
from recognition.people.index import note_changes
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.training.models import TrainingRun
from recognition.training.options import complete


def viewer(password: str) -> None:
    User.objects.create_user("viewer", password=password, role="viewer")


def event(person: str) -> str:
    """A past visit of a person, without pictures; its id."""
    row, now = Person.objects.get(pk=person), timezone.now()
    made = Event.objects.create(
        collection=row.collection,
        person=row,
        decision="match",
        similarity=0.73,
        threshold=0.4,
        started_at=now,
        ended_at=now,
        is_open=False,
    )
    return str(made.pk)


def clip(event: str, path: str, codec: str) -> None:
    """Give a visit this MP4 as its clip."""
    row, content = Event.objects.get(pk=event), Path(path).read_bytes()
    made = Clip.objects.create(
        state="ready",
        codec=codec,
        seconds=4,
        bytes=len(content),
        begins_at=row.started_at,
        ends_at=row.ended_at,
    )
    made.file.save("clip.mp4", ContentFile(content))
    Event.objects.filter(pk=event).update(clip=made)


@transaction.atomic
def crowd(collection: str, people: int) -> None:
    """People with two pictures each, without a look at them: as the preset sees them, and as a
    network of the colours of 4 x 4 parts does."""
    row, draw = Collection.objects.get(pk=collection), np.random.default_rng(0)
    made: list[int] = []
    for number in range(people):
        person = Person.objects.create(collection=row, name=f"Person {number}")
        colours = draw.integers(40, 216, (4, 4, 3))
        middle = draw.normal(size=row.embedder.dimension)
        for _ in range(2):
            blocks = np.clip(colours + draw.normal(scale=15, size=colours.shape), 0, 255)
            vector = middle + 0.5 * draw.normal(size=len(middle))
            made.append(_template(person, blocks.astype(np.uint8), vector.astype(np.float32)))
    note_changes(row, made)


def _template(person: Person, blocks: Image, vector: Float32) -> int:
    """The id of a new template of the person, whose picture has these blocks."""
    face = cv2.resize(blocks, (112, 112), interpolation=cv2.INTER_NEAREST)
    jpeg = encode_jpeg(np.asarray(face, np.uint8))
    image = FaceImage(
        collection=person.collection,
        person=person,
        box=[0, 0, 112, 112],
        landmarks=TEMPLATE_112.tolist(),
        quality=0.9,
        source="import",
        sha256=hashlib.sha256(jpeg).hexdigest(),
    )
    image.file.save("face.jpg", ContentFile(jpeg), save=False)
    image.save()
    made = Template.objects.create(
        image=image,
        collection=person.collection,
        model=person.collection.embedder,
        vector=Template.pack(vector / np.linalg.norm(vector)),
        dimension=len(vector),
    )
    return made.pk


_STAGES_MS = {
    "queue": 1.2,
    "decode": 2.1,
    "detect": 10.2,
    "align": 0.6,
    "embed": 3.1,
    "search": 0.2,
    "total": 17.4,
}


def minutes(camera: str) -> None:
    """Figures of a camera for nearly three hours, until now."""
    now = timezone.now()
    for number in range(170):
        wave = 1 + (number * 7 % 13) / 20 if number < 169 else 1
        timing = {
            name: {"p50": round(ms * wave, 1), "p95": round(1.8 * ms * wave, 1)}
            for name, ms in _STAGES_MS.items()
        }
        CameraMinute.objects.create(
            camera_id=camera,
            at=now - timedelta(minutes=169 - number),
            frames=294,
            fps=3.2 if 80 < number < 90 else 4.9,
            dropped=0 if number % 40 else 12,
            timing_ms=timing,
        )


def training_run(collection: str) -> str:
    """A run that has ended, with its curve; its id."""
    curve = [
        {"step": 10 * step, "loss": 3 / step, "rate": 1e-3, "auc": 1 - 0.4 / step,
         "accuracy": 1 - 0.5 / step}
        for step in range(1, 20)
    ]  # fmt: skip
    camera = {"auc": 0.81, "accuracy": 0.74, "threshold": 0.3, "tmr": 0.43}
    clean = {"auc": 0.99, "accuracy": 0.98, "threshold": 0.4, "tmr": 0.97}
    rows = [
        {"name": name, "camera": camera, "clean": clean}
        for name in ("unchanged", "mean_shift", "ridge", "adapted")
    ]
    tested = {"people": 6, "pictures": 24}
    made = TrainingRun.objects.create(
        task="train",
        name="ours",
        collection_id=collection,
        settings=complete("train", {}),
        state="done",
        created_by="user:admin",
        curve=curve,
        figures={"others": camera, "compared": rows, "tested": tested},
        people=24,
        pictures=96,
        step=190,
        steps=300,
    )
    return str(made.pk)
