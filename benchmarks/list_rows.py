"""Inserts hundreds of thousands of rows into the database."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.work_rows import change_model, work_rows

_SEED = 5
_AT_ONCE = 5000
_VECTOR_BYTES = 4 * 192
_FIRST = ("Anna", "Bob", "Élodie", "Анна", "Ömer", "Chen", "Fatima", "Lukas", "Maria", "Noah")
_LAST = ("Berg", "Costa", "Dubois", "Evans", "Ferrari", "Garcia", "Horvat", "Ito", "Jensen", "Kim")


@dataclass(frozen=True, slots=True)
class Amounts:
    """few: collections and cameras. others: of each kind that a site has more of, such as keys.
    events: also entries of the audit log."""

    people: int = 100_000
    images_each: int = 3
    events: int = 100_000
    few: int = 20
    others: int = 2_000


def fill(amounts: Amounts) -> None:
    from recognition.people.models import FaceImage, Person, Template

    rng = random.Random(_SEED)
    large, small = _collections(amounts.few)
    people = [_person(n, small if n % 20 == 0 else large) for n in range(amounts.people)]
    _write(Person, people)
    for each in range(amounts.images_each):
        images = [_image(person, each) for person in people]
        _write(FaceImage, images)
        _write(Template, _templates(images, large.embedder))
    cameras = _cameras(large, amounts.few)
    _events(people, cameras, amounts.events, rng)
    _keys_and_webhooks(large, amounts.others)
    _jobs_and_entries(large, amounts.others, amounts.events)
    for rows in work_rows(large, people, cameras, amounts.few, amounts.others):
        _write(type(rows[0]), rows)
    of_large = [image for image in images if image.collection_id == large.pk]
    change_model(large, of_large, losses=amounts.few)


def _write(model: Any, rows: Iterable[Any]) -> None:
    waiting = iter(rows)
    while batch := list(islice(waiting, _AT_ONCE)):
        model._default_manager.bulk_create(batch)


def _collections(count: int) -> tuple[Any, Any]:
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection

    embedder = ensure_model_version("mobilefacenet")
    names = ["Large", "Small", *(f"Empty {n}" for n in range(count - 2))]
    rows = [Collection(name=name, embedder=embedder) for name in names]
    _write(Collection, rows)
    return rows[0], rows[1]


def _person(n: int, collection: Any) -> Any:
    from recognition.people.models import Person

    name = f"{_FIRST[n % 10]} {_LAST[n // 10 % 10]} {n}"
    labels = ["vip"] if n % 500 == 0 else ["staff"] if n % 3 == 0 else []
    return Person(collection=collection, name=name, external_id=f"hr-{n}", labels=labels)


def _image(person: Any, n: int) -> Any:
    from recognition.people.models import FaceImage

    return FaceImage(
        person=person,
        collection=person.collection,
        sha256=f"{person.pk.hex}{n}",
        box=[0, 0, 90, 110],
        landmarks=[[1, 2]] * 5,
        quality=0.5 + n / 10,
        source="import",
    )


def _templates(images: list[Any], model: Any) -> Iterator[Any]:
    """Random ones of length 1."""
    from recognition.people.models import Template

    random_ = np.random.default_rng(_SEED)
    for image in images:
        vector = random_.standard_normal(model.dimension).astype(np.float32)
        packed = Template.pack(vector / np.linalg.norm(vector))
        yield Template(
            image=image, collection_id=image.collection_id, model=model, vector=packed,
            dimension=model.dimension,
        )  # fmt: skip


def _cameras(collection: Any, count: int) -> list[Any]:
    from recognition.cameras.models import Camera

    rows = [Camera(collection=collection, name=f"Camera {n}") for n in range(count)]
    _write(Camera, rows)
    return rows[:8]


def _events(people: list[Any], cameras: list[Any], count: int, rng: random.Random) -> None:
    from django.utils import timezone

    from recognition.events.models import Event

    begin = timezone.now() - timedelta(days=90)

    def rows() -> Iterator[Any]:
        for n in range(count):
            person = rng.choice(people)
            at = begin + timedelta(days=90 * n / count)
            is_known = n % 3 > 0
            yield Event(
                collection=person.collection,
                camera=cameras[n % len(cameras)],
                person=person if is_known else None,
                decision="match" if is_known else "ambiguous" if n % 999 == 0 else "unknown",
                started_at=at,
                ended_at=at + timedelta(seconds=20),
                is_open=n > count - 5,
                threshold=0.4,
                review="rejected" if n % 1000 == 1 else "none",
                vector=bytes(_VECTOR_BYTES),
            )

    _write(Event, rows())


def _keys_and_webhooks(collection: Any, count: int) -> None:
    from accounts.models import ApiKey
    from recognition.notices.models import Delivery, Receiver, Webhook

    limit = collection.pk
    _write(ApiKey, (ApiKey(name=f"Key {n}", hash=f"{n}", prefix=f"frk_{n}", collection_id=limit)
                    for n in range(count)))  # fmt: skip
    _write(Receiver, (Receiver(sink="webhook", key=f"{n}") for n in range(count)))
    receivers = list(Receiver.objects.order_by("pk"))
    hooks = [Webhook(receiver=each, url=f"https://example.com/{each.key}") for each in receivers]
    _write(Webhook, hooks)
    sent = (Delivery(receiver=hooks[-1].receiver, kind="event.opened") for _ in range(count))
    _write(Delivery, sent)


def _jobs_and_entries(collection: Any, jobs: int, entries: int) -> None:
    from django.utils import timezone

    from accounts.models import AuditEntry
    from recognition.jobs.models import Job

    now, states = timezone.now(), ("done", "done", "failed", "queued")
    shared = {"kind": "upkeep", "run_after": now, "collection_id": collection.pk}
    _write(Job, (Job(state=states[n % 4], **shared) for n in range(jobs)))
    what = ("image.view", "person.create", "key.issue")
    _write(AuditEntry, (AuditEntry(actor="user:a", action=what[n % 3], target_type="person",
                                   target_id=f"{n}") for n in range(entries)))  # fmt: skip
