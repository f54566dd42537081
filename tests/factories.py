"""Rows for tests, with default values for fields that most tests do not check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from accounts.access import Access, Role, Scope, access_of_user
from accounts.audit import Actor
from accounts.models import User
from ml_engine.matching import ImpostorCurve
from ml_engine.types import Float32
from ml_engine.zoo import preset
from recognition.cameras.models import Camera, Stream
from recognition.cameras.services.streams import OwnStream, stream_begin
from recognition.events.models import Event, Recording
from recognition.events.services.events import VisitSeen, event_open, event_update
from recognition.people.index import note_changes
from recognition.people.model_versions import curve_in_use, ensure_model_version
from recognition.people.models import (
    Calibration,
    Collection,
    FaceImage,
    ModelChange,
    ModelVersion,
    Person,
    Template,
)
from recognition.people.services.enrolment import images_enrol
from recognition.training.models import TrainingRun
from recognition.training.options import complete
from recognition.web.identifiers import uuid7
from recognition.web.leases import Lease
from recognition.web.uploads import Upload
from tests.commits import committed
from tests.fakes import embedding_of, photo
from tests.own_models import keep_tiny

ACTOR = Actor("user:tester")
_numbers = count(1)


def make_user(role: str = Role.ADMINISTRATOR, **values: Any) -> User:
    name = values.pop("username", f"{role}-{next(_numbers)}")
    return User.objects.create_user(name, password="pass-word-1", role=role, **values)


def make_access(role: str = Role.ADMINISTRATOR, *, collection: Collection | None = None) -> Access:
    """The access of a new user with this role, limited to a collection like that of a key."""
    access = access_of_user(make_user(role))
    limit = str(collection.pk) if collection else None
    return Access(user=access.user, scopes=access.scopes, collection_id=limit)


def make_collection(*, embedder: str = "mobilefacenet", **values: Any) -> Collection:
    values.setdefault("name", f"Collection {next(_numbers)}")
    return Collection.objects.create(embedder=ensure_model_version(embedder), **values)


def make_own_model(*, state: str = "usable") -> ModelVersion:
    """A small model of the user's own, converted into the folder of weights, and its row."""
    made = keep_tiny(Path(settings.WEIGHTS_DIR))
    return ModelVersion.objects.create(
        role="embedder",
        source="file",
        state=state,
        name="own",
        file=str(made.folder),
        sha256=made.card.sha256,
        dimension=made.card.dimension,
    )


def make_person(collection: Collection | None = None, **values: Any) -> Person:
    values.setdefault("name", f"Person {next(_numbers)}")
    return Person.objects.create(collection=collection or make_collection(), **values)


@committed()
def enrol(person: Person, *numbers: int, source: str = "api") -> list[FaceImage]:
    """Enrol one photo of each number (see `tests.fakes`) for the person; all are accepted."""
    uploads = [
        Upload(f"{number}.jpg", photo(number, looks=looks)) for looks, number in enumerate(numbers)
    ]
    outcomes = images_enrol(person=person, uploads=uploads, source=source, actor=ACTOR)
    refused = [outcome.message for outcome in outcomes if not outcome.accepted]
    assert not refused, refused
    return [outcome.image for outcome in outcomes if outcome.image is not None]


@committed()
def add_people(
    collection: Collection,
    vectors: Float32,
    owners: NDArray[np.integer],
    persons: Sequence[Person] | None = None,
) -> list[Person]:
    """People with templates that no photo was enrolled for: (n, d) of length 1, and the number of
    each one's person (of `persons`, or of new ones)."""
    people = list(persons or [])
    if not people:
        names = [f"Person {next(_numbers)}" for _ in range(int(owners.max()) + 1)]
        people = [Person(collection=collection, name=name) for name in names]
        Person.objects.bulk_create(people)
    images = [
        FaceImage(person=people[owner], collection=collection, sha256=f"{next(_numbers)}", box=[],
                  landmarks=[], quality=1)
        for owner in owners
    ]  # fmt: skip
    FaceImage.objects.bulk_create(images)
    for image, vector in zip(images, vectors, strict=True):
        Template.objects.create(
            image=image,
            collection=collection,
            model=collection.embedder,
            vector=Template.pack(vector),
            dimension=len(vector),
        )
    note_changes(collection, Template.objects.filter(image__in=images).values_list("pk", flat=True))
    collection.refresh_from_db()
    return people


def make_calibration(collection: Collection, **figures: Any) -> Calibration:
    """A measurement of the collection, on more people than it has."""
    point = {"fmr": 0.01, "threshold": 0.4, "fnmr": 0.02, "fnmr_interval": [0.01, 0.03],
             "false_match_count": 49, "has_enough_pairs": True}  # fmt: skip
    measured = {
        "people": 100,
        "templates": 200,
        "people_total": 100,
        "templates_total": 200,
        "repeated": 100,
        "impostor_pairs": 19_800,
        "genuine_pairs": 100,
        "eer": 0.015,
        "eer_threshold": 0.39,
        "points": [point],
        "det": [
            {"threshold": 0.2, "fmr": 0.1, "fnmr": 0.001},
            {"threshold": 0.4, "fmr": 0.01, "fnmr": 0.02},
            {"threshold": 0.6, "fmr": 0.0001, "fnmr": 0.1},
        ],
        "discard": [
            {"discarded": 0.0, "fnmr": 0.02},
            {"discarded": 0.1, "fnmr": 0.008},
            {"discarded": 0.2, "fnmr": 0.005},
        ],
        "discard_fmr": 0.01,
        "deciders": [
            {
                "name": "nearest",
                "missed": 0.06,
                "missed_deviation": 0.01,
                "gain": 0.0,
                "gain_deviation": 0.0,
                "is_better": False,
            },
            {
                "name": "mean",
                "missed": 0.03,
                "missed_deviation": 0.01,
                "gain": 0.03,
                "gain_deviation": 0.01,
                "is_better": True,
            },
            {
                "name": "vote",
                "missed": 0.055,
                "missed_deviation": 0.01,
                "gain": 0.005,
                "gain_deviation": 0.02,
                "is_better": False,
            },
        ],
        "similar_pairs": [],
        "similar_pairs_total": 0,
        "similar_from": 0.5,
    }
    model, detector = collection.embedder.version, preset("mtcnn").version
    of_model = curve_in_use(collection.embedder)
    curve = ImpostorCurve(
        model,
        detector,
        (0.2, 0.3, 0.4),
        (0.1, 0.05, 0.01),
        9,
        "own",
        normalisation=of_model.normalisation if of_model else "",
    )
    return Calibration.objects.create(
        collection=collection,
        model=collection.embedder,
        impostor_curve=curve.to_dict(),
        figures=measured | figures,
        gallery_revision=collection.gallery_revision,
        measured_at=timezone.now(),
    )


def make_model_change(collection: Collection, *, embedder: str = "dlib_resnet") -> ModelChange:
    """A change that has just begun, with a measurement of both models and without a job."""
    target = ensure_model_version(embedder)
    Collection.objects.filter(pk=collection.pk).update(candidate=target)
    collection.refresh_from_db()
    make_calibration(collection.seen_by(target))
    return ModelChange.objects.create(
        collection=collection,
        source=collection.embedder,
        target=target,
        created_by=ACTOR.name,
        changed_at=timezone.now(),
    )


def make_camera(collection: Collection | None = None, **values: Any) -> Camera:
    values.setdefault("name", f"Camera {next(_numbers)}")
    return Camera.objects.create(collection=collection or make_collection(), **values)


def make_training_run(collection: Collection, **values: Any) -> TrainingRun:
    """A run without a job, with one point of its curve."""
    point = {"step": 10, "loss": 0.5, "rate": 0.001, "auc": 0.9, "accuracy": 0.8}
    fields: dict[str, Any] = {
        "task": "train",
        "name": "ours",
        "settings": complete("train", {}),
        "curve": [point],
        "created_by": ACTOR.name,
    }
    return TrainingRun.objects.create(collection=collection, **(fields | values))


def make_recording(collection: Collection) -> Recording:
    """Over, without its video."""
    return Recording.objects.create(
        collection=collection, name="hall.mp4", recorded_at=timezone.now(), state="over"
    )


def seen(person: Person | None = None, *, number: int = 1, **values: Any) -> VisitSeen:
    """What a stream saw: the person, or an unknown face, the one of `number`."""
    fields: dict[str, Any] = {
        "decision": "match" if person else "unknown",
        "person_id": person.pk if person else None,
        "similarity": 0.8 if person else 0.2,
        "threshold": 0.4,
        "fmr": 1e-5,
        "at": timezone.now(),
        "quality": 0.7,
        "snapshot_jpeg": photo(number, size=60),
        "face_jpeg": photo(number),
        "vector": embedding_of(number),
    }
    return VisitSeen(**(fields | values))


def own_stream(collection: Collection, camera: Camera | None = None) -> OwnStream:
    """A stream of this process for all visits of a collection in a test."""
    row = Stream.objects.filter(collection=collection, caller=ACTOR.name, ended_at=None).first()
    if row is None:
        begun = stream_begin(
            stream_id=uuid7(), collection=collection, camera=None, caller=ACTOR.name
        )
        return replace(begun, camera=camera)
    return OwnStream(row.pk, collection, camera, Lease(row.owner, row.lease_number))


@committed()
def update_event(event: Event, look: VisitSeen, **values: Any) -> Event:
    """Update an event through its stream; `values` are arguments of `event_update`."""
    stream = own_stream(event.collection, event.camera)
    return event_update(event=event, stream=stream, seen=look, **({"ended_at": look.at} | values))


@committed()
def make_event(
    collection: Collection | None = None,
    person: Person | None = None,
    *,
    camera: Camera | None = None,
    started_at: datetime | None = None,
    **values: Any,
) -> Event:
    """A visit with pictures, as a stream would open it."""
    collection = collection or (person.collection if person else make_collection())
    look = seen(person, **values)
    return event_open(
        stream=own_stream(collection, camera),
        model=collection.embedder,
        seen=look,
        started_at=started_at or look.at,
    )


__all__ = [
    "ACTOR",
    "Role",
    "Scope",
    "add_people",
    "enrol",
    "make_access",
    "make_calibration",
    "make_camera",
    "make_collection",
    "make_event",
    "make_model_change",
    "make_person",
    "make_recording",
    "make_training_run",
    "make_user",
    "own_stream",
    "seen",
    "update_event",
]
