"""The addresses of lists, searches, filters and pages that `benchmarks.lists` measures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

# Answers of addresses that are no pages: nobody may add such rows, or they only take forms.
NO_PAGE = (403, 405)
_FILTERS_TRIED = 2


def rest_addresses() -> Iterator[str]:
    """The addresses of all lists below /api/v1/, with each of their filters, and of what counts or
    searches the rows of others."""
    from recognition.bulk.models import ImportItem
    from recognition.cameras.models import Camera
    from recognition.events.models import Recording
    from recognition.notices.models import Webhook
    from recognition.people.models import Collection, Person

    collections = [row.pk for row in Collection.objects.filter(name__in=("Large", "Small"))]
    person, camera = Person.objects.latest("pk").pk, Camera.objects.earliest("pk").pk
    import_, recording = ImportItem.objects.latest("pk").run_id, Recording.objects.latest("pk").pk
    both = [f"collection={pk}" for pk in collections]
    words = ["query=anna", "query=elodie", "query=nobody+zzz", "query=hr-77", "label=vip"]
    filters = {
        "persons": [*words, *both, f"{both[0]}&query=anna", "external_id=hr-77", "label=none"],
        f"persons/{person}/images": [],
        f"persons/{person}/lookalikes": [],
        "images": [*both, f"person={person}"],
        "events": [
            *both, f"person={person}", f"camera={camera}", "decision=match", "decision=ambiguous",
            "review=rejected", "is_open=true", "since=2026-01-31T06:00:00Z", "label=vip",
            "label=none", "until=2020-01-01T00:00:00Z", f"{both[0]}&decision=unknown",
            f"recording={recording}",
        ],
        "collections": [],
        f"collections/{collections[0]}": [],
        f"collections/{collections[0]}/decider": [],
        f"collections/{collections[0]}/model-change": [],
        "cameras": [],
        f"cameras/{camera}/minutes": ["since=2026-01-31T06:00:00Z"],
        "jobs": ["kind=upkeep", "state=done", "state=failed", *both],
        "api-keys": [],
        "webhooks": [],
        f"webhooks/{Webhook.objects.latest('pk').pk}/deliveries": [],
        "imports": both,
        f"imports/{import_}": [],
        f"imports/{import_}/items": ["state=refused", "state=enrolled", "code=low_quality"],
        "exports": [],
        "recordings": both,
        "training-runs": [],
        "models": [],
    }  # fmt: skip
    for name, options in filters.items():
        yield name
        yield from (f"{name}?{option}" for option in options)


def page_addresses(user: Any) -> Iterator[str]:
    """The pages of the site, and of the admin: the start page; each list, searched, sorted by each
    column, and with some choices of each filter; every page of a row. Some are no pages, and answer
    one of `NO_PAGE`. user: an administrator."""
    from django.contrib import admin
    from django.urls import reverse

    yield from map(reverse, ("admin:index", "live", "try", "help"))
    for model, model_admin in admin.site._registry.items():
        yield from _list_addresses(model_admin, user)
        row = model._default_manager.order_by("-pk").first()
        yield from _own_addresses(model_admin, row)
    yield from _addresses_of_largest()


def _list_addresses(model_admin: Any, user: Any) -> Iterator[str]:
    from django.test import RequestFactory
    from django.urls import reverse

    address = reverse(f"admin:{_name(model_admin)}_changelist")
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


def _own_addresses(model_admin: Any, row: Any) -> Iterator[str]:
    """Every other page of a model, of this row if it is the page of a row. Buttons are left out:
    they do something."""
    from django.urls import reverse

    buttons = {f"{_name(model_admin)}_{name}" for name in model_admin.actions_detail}
    for pattern in model_admin.get_urls():
        wanted = len(pattern.pattern.regex.groupindex)
        if pattern.name is None or pattern.name in buttons or wanted > 1:
            continue
        if not wanted:
            yield reverse(f"admin:{pattern.name}")
        elif row is not None:
            yield reverse(f"admin:{pattern.name}", args=[row.pk])


def _addresses_of_largest() -> Iterator[str]:
    """Pages of the rows that have the most other rows: the latest ones may be empty."""
    from django.contrib import admin
    from django.urls import reverse

    from recognition.bulk.models import ImportItem
    from recognition.cameras.models import Camera
    from recognition.people.models import Collection

    collection = Collection.objects.get(name="Large")
    camera = Camera.objects.earliest("pk")
    for row in (collection, camera, ImportItem.objects.latest("pk").run):
        yield from _own_addresses(admin.site._registry[type(row)], row)
    yield reverse("camera-page", args=[camera.pk])


def _name(model_admin: Any) -> str:
    return f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"


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
