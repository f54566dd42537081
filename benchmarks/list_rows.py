"""Inserts hundreds of thousands of rows into the database, and lists the addresses that show
them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

_SEED = 5
_AT_ONCE = 5000
_VECTOR_BYTES = 4 * 192
_FIRST = ("Anna", "Bob", "Élodie", "Анна", "Ömer", "Chen", "Fatima", "Lukas", "Maria", "Noah")
_LAST = ("Berg", "Costa", "Dubois", "Evans", "Ferrari", "Garcia", "Horvat", "Ito", "Jensen", "Kim")
_FILTERS_TRIED = 2


@dataclass(frozen=True, slots=True)
class Amounts:
    """few: collections and cameras. others: of each kind that a site has more of, such as keys."""

    people: int = 100_000
    images_each: int = 3
    events: int = 100_000
    few: int = 20
    others: int = 2_000


def fill(amounts: Amounts) -> None:
    from recognition.people.models import FaceImage, Person

    rng = random.Random(_SEED)
    large, small = _collections(amounts.few)
    people = [_person(n, small if n % 20 == 0 else large) for n in range(amounts.people)]
    _write(Person, people)
    for each in range(amounts.images_each):
        _write(FaceImage, (_image(person, each) for person in people))
    cameras = _cameras(large, amounts.few)
    _events(people, cameras, amounts.events, rng)
    _keys_and_webhooks(large, amounts.others)
    _jobs_and_entries(large, amounts.others)


def rest_addresses() -> Iterator[str]:
    """The addresses of all lists below /api/v1/, with each of their filters."""
    from recognition.cameras.models import Camera
    from recognition.notices.models import Webhook
    from recognition.people.models import Collection, Person

    collections = [row.pk for row in Collection.objects.filter(name__in=("Large", "Small"))]
    person, camera = Person.objects.latest("pk").pk, Camera.objects.latest("pk").pk
    both = [f"collection={pk}" for pk in collections]
    words = ["query=anna", "query=elodie", "query=nobody+zzz", "query=hr-77", "label=vip"]
    filters = {
        "persons": [*words, *both, f"{both[0]}&query=anna", "external_id=hr-77", "label=none"],
        f"persons/{person}/images": [],
        "images": [*both, f"person={person}"],
        "events": [
            *both, f"person={person}", f"camera={camera}", "decision=match", "decision=ambiguous",
            "review=rejected", "is_open=true", "since=2026-01-31T06:00:00Z", "label=vip",
            "label=none", "until=2020-01-01T00:00:00Z", f"{both[0]}&decision=unknown",
        ],
        "collections": [],
        "cameras": [],
        "jobs": ["kind=upkeep", "state=done", "state=failed", *both],
        "api-keys": [],
        "webhooks": [],
        f"webhooks/{Webhook.objects.latest('pk').pk}/deliveries": [],
    }  # fmt: skip
    for name, options in filters.items():
        yield name
        yield from (f"{name}?{option}" for option in options)


def admin_addresses(user: Any) -> Iterator[str]:
    """The pages of the admin: each list, searched, sorted by each column, and with some choices of
    each filter; the start page; the page of a row. user: an administrator."""
    from django.contrib import admin
    from django.test import RequestFactory
    from django.urls import reverse

    yield reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"{name}_changelist")
        yield address
        # The first column of a list is its boxes.
        for column, field in enumerate(model_admin.list_display, start=1):
            # Of those that cannot be sorted by one is enough, which must not be followed.
            is_last = column == len(model_admin.list_display)
            if is_last or field in (model_admin.sortable_by or ()):
                yield from (f"{address}?o={sign}{column}" for sign in ("", "-"))
        if model_admin.search_fields:
            yield from (f"{address}?q={word}" for word in ("anna", "zzz"))
        request = RequestFactory().get(address)
        request.user = user
        changes = model_admin.get_changelist_instance(request)
        for spec in changes.filter_specs:
            yield from (f"{address}{query}" for query in _choices(spec, changes))
        if row := model._default_manager.order_by("-pk").first():
            yield reverse(f"{name}_change", args=[row.pk])


def _choices(spec: Any, changes: Any) -> Iterator[str]:
    """The query strings of a filter."""
    choices = list(spec.choices(changes))
    queries = [choice["query_string"] for choice in choices if "query_string" in choice]
    yield from islice(queries, 1, 1 + _FILTERS_TRIED)
    for name in spec.expected_parameters() if not queries else ():
        if name.endswith("_from_0"):
            yield f"?{name}=2026-01-31"
        elif not name.endswith(("_from_1", "_to_0", "_to_1")):
            yield f"?{name}=vip"


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


def _jobs_and_entries(collection: Any, count: int) -> None:
    from django.utils import timezone

    from accounts.models import AuditEntry
    from recognition.jobs.models import Job

    now, states = timezone.now(), ("done", "done", "failed", "queued")
    shared = {"kind": "upkeep", "run_after": now, "collection_id": collection.pk}
    _write(Job, (Job(state=states[n % 4], **shared) for n in range(count)))
    what = ("image.view", "person.create", "key.issue")
    _write(AuditEntry, (AuditEntry(actor="user:a", action=what[n % 3], target_type="person",
                                   target_id=f"{n}") for n in range(count)))  # fmt: skip
