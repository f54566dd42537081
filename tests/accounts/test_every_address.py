"""Every address of the site is called by every kind of caller. The tables say who gets an answer.

The first test fails for an address that is not in a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.access import Role, Scope
from accounts.audit import SYSTEM, record
from accounts.models import ApiKey, AuditEntry
from recognition.jobs.services import job_start
from recognition.notices.models import Delivery
from recognition.people.models import Collection, Person
from recognition.people.services.lookalikes import lookalike_add
from tests.accounts.asking import SCOPES_OF, ask, ask_form, caller_of, leads_to_sign_in
from tests.callers import Caller, signed_in, with_key
from tests.factories import (
    enrol,
    make_calibration,
    make_camera,
    make_collection,
    make_event,
    make_model_change,
    make_person,
    make_recording,
    make_training_run,
    make_user,
)
from tests.recognition.bulk.rows import make_export, make_refused_item
from tests.recognition.clips import make_clip
from tests.recognition.notices.rows import make_webhook

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.only_on("SQLite"),
    pytest.mark.usefixtures("engine"),
]

OPEN = {"health-live", "health-ready", "login", "logout", "admin/login/", "admin:logout"}
# For the holder of its own token, which is no key (test_metrics).
TOKEN = {"metrics"}
PAGES = {"home", "live", "camera-page", "try", "help", "docs"}
# REST: the scope that each method needs; None: any known caller. All other methods answer 405.
ANYBODY = None
API: dict[str, dict[str, str | None]] = {
    "schema": {"GET": ANYBODY},
    "me": {"GET": ANYBODY},
    "models": {"GET": Scope.IDENTIFY, "POST": Scope.MANAGE},
    "models-inspect": {"POST": Scope.MANAGE},
    "model": {"DELETE": Scope.MANAGE},
    "model-evaluate": {"POST": Scope.MANAGE},
    "model-evaluated-curve": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "detect": {"POST": Scope.DETECT},
    "verify": {"POST": Scope.VERIFY},
    "identify": {"POST": Scope.IDENTIFY},
    "embed": {"POST": Scope.IDENTIFY},
    "enrol": {"POST": Scope.ENROL},
    "collections": {"GET": Scope.IDENTIFY, "POST": Scope.MANAGE},
    "collection": {"GET": Scope.IDENTIFY, "PATCH": Scope.MANAGE, "DELETE": Scope.MANAGE},
    "collection-calibrate": {"POST": Scope.MANAGE},
    "collection-calibration": {"GET": Scope.IDENTIFY},
    "collection-det": {"GET": Scope.IDENTIFY},
    "collection-discard": {"GET": Scope.IDENTIFY},
    "collection-decider": {"GET": Scope.IDENTIFY},
    "collection-train": {"POST": Scope.MANAGE},
    "collection-model-change": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "collection-model-change-switch": {"POST": Scope.MANAGE},
    "collection-model-change-roll-back": {"POST": Scope.MANAGE},
    "collection-model-change-let-go": {"POST": Scope.MANAGE},
    "collection-model-change-cancel": {"POST": Scope.MANAGE},
    "collection-model-change-det": {"GET": Scope.MANAGE},
    "collection-model-change-scores": {"GET": Scope.MANAGE},
    "collection-take-up-model": {"POST": Scope.MANAGE},
    "jobs": {"GET": ANYBODY},
    "job": {"GET": Scope.MANAGE},
    "job-cancel": {"POST": Scope.MANAGE},
    "cameras": {"GET": Scope.IDENTIFY, "POST": Scope.MANAGE},
    "camera": {"GET": Scope.IDENTIFY, "PATCH": Scope.MANAGE, "DELETE": Scope.MANAGE},
    "camera-test": {"POST": Scope.MANAGE},
    "camera-senders": {"GET": Scope.MANAGE},
    "recordings": {"GET": Scope.EVENTS, "POST": Scope.ENROL},
    "recording": {"GET": Scope.EVENTS, "DELETE": Scope.ENROL},
    "recording-pieces": {"PUT": Scope.ENROL},
    "recording-finish": {"POST": Scope.ENROL},
    "camera-minutes": {"GET": Scope.IDENTIFY},
    "imports": {"GET": Scope.ENROL, "POST": Scope.ENROL},
    "import": {"GET": Scope.ENROL, "DELETE": Scope.ENROL},
    "import-pieces": {"PUT": Scope.ENROL},
    "import-finish": {"POST": Scope.ENROL},
    "import-items": {"GET": Scope.ENROL},
    "import-report": {"GET": Scope.ENROL},
    "import-item-enrol": {"POST": Scope.ENROL},
    "import-item-file": {"GET": Scope.ENROL},
    "exports": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "export": {"GET": Scope.MANAGE, "DELETE": Scope.MANAGE},
    "export-file": {"GET": Scope.MANAGE},
    "training-runs": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "training-run": {"GET": Scope.MANAGE},
    "training-run-cancel": {"POST": Scope.MANAGE},
    "persons-table": {"GET": Scope.IDENTIFY},
    "events-table": {"GET": Scope.EVENTS},
    "persons": {"GET": Scope.IDENTIFY, "POST": Scope.ENROL},
    "person": {"GET": Scope.IDENTIFY, "PATCH": Scope.ENROL, "DELETE": Scope.ENROL},
    "person-images": {"GET": Scope.IDENTIFY, "POST": Scope.ENROL},
    "person-merge": {"POST": Scope.ENROL},
    "person-erase": {"POST": Scope.ENROL},
    "person-lookalikes": {"GET": Scope.IDENTIFY, "POST": Scope.ENROL},
    "person-lookalike": {"DELETE": Scope.ENROL},
    "images": {"GET": Scope.IDENTIFY},
    "image": {"GET": Scope.IDENTIFY, "PATCH": Scope.ENROL, "DELETE": Scope.ENROL},
    "image-file": {"GET": Scope.IDENTIFY},
    "events": {"GET": Scope.EVENTS},
    "event": {"GET": Scope.EVENTS, "PATCH": Scope.ENROL, "DELETE": Scope.ENROL},
    "event-snapshot": {"GET": Scope.EVENTS},
    "event-face": {"GET": Scope.EVENTS},
    "event-clip": {"GET": Scope.EVENTS},
    "event-clip-convert": {"POST": Scope.ENROL},
    "event-enrol": {"POST": Scope.ENROL},
    "webhooks": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "webhook": {"GET": Scope.MANAGE, "PATCH": Scope.MANAGE, "DELETE": Scope.MANAGE},
    "webhook-test": {"POST": Scope.MANAGE},
    "webhook-deliveries": {"GET": Scope.MANAGE},
    "api-keys": {"GET": Scope.MANAGE, "POST": Scope.MANAGE},
    "api-key": {"GET": Scope.MANAGE, "DELETE": Scope.MANAGE},
}
# The row decides which scope is needed. Without that scope the answer is 404.
BY_ROW = {"job", "job-cancel"}
LISTS = (
    "persons",
    "imports",
    "exports",
    "recordings",
    "training-runs",
    "images",
    "events",
    "cameras",
    "webhooks",
    "api-keys",
)
# The admin: the lowest role that may see a page, and the one that may send its form. NOBODY: the
# page is read-only, or such rows are made elsewhere.
NOBODY = ""
VIEWER, OPERATOR, ADMINISTRATOR = Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR
ADMIN: dict[str, tuple[str, str]] = {
    "admin:index": (VIEWER, VIEWER),
    "admin:search": (VIEWER, VIEWER),
    "admin:jsi18n": (VIEWER, NOBODY),
    "admin:app_list": (VIEWER, VIEWER),
    "admin:password_change": (VIEWER, VIEWER),
    "admin:password_change_done": (VIEWER, NOBODY),
    "admin:people_person_photos": (OPERATOR, OPERATOR),
    "admin:people_person_photo_delete": (NOBODY, OPERATOR),
    "admin:people_person_add_photos": (OPERATOR, OPERATOR),
    "admin:people_person_lookalike": (NOBODY, OPERATOR),
    "admin:people_collection_measure": (VIEWER, VIEWER),  # only redirects to the next
    "admin:people_modelversion_evaluate": (ADMINISTRATOR, ADMINISTRATOR),
    "admin:people_modelversion_sees": (ADMINISTRATOR, ADMINISTRATOR),
    "admin:people_collection_measured": (VIEWER, ADMINISTRATOR),
    "admin:people_collection_draw_map": (VIEWER, VIEWER),  # only redirects to the next
    "admin:people_collection_map": (VIEWER, VIEWER),
    "admin:people_collection_change_model": (ADMINISTRATOR, ADMINISTRATOR),  # only redirects
    "admin:people_collection_model_change": (ADMINISTRATOR, ADMINISTRATOR),
    "admin:people_collection_take_up_model": (NOBODY, ADMINISTRATOR),
    "admin:events_event_review": (NOBODY, OPERATOR),
    "admin:events_event_convert_clip": (NOBODY, OPERATOR),
    "admin:events_event_undo_review": (NOBODY, OPERATOR),
    "admin:notices_webhook_show_log": (ADMINISTRATOR, ADMINISTRATOR),
    "admin:auth_user_password_change": (ADMINISTRATOR, ADMINISTRATOR),
}
# By model: the lowest role that may view, add, change and delete rows.
MODELS: dict[str, tuple[str, str, str, str]] = {
    "people_person": (VIEWER, OPERATOR, OPERATOR, OPERATOR),
    "events_event": (VIEWER, NOBODY, OPERATOR, OPERATOR),
    "events_recording": (VIEWER, OPERATOR, OPERATOR, OPERATOR),
    "bulk_importrun": (OPERATOR, OPERATOR, OPERATOR, OPERATOR),
    "bulk_export": (ADMINISTRATOR, ADMINISTRATOR, NOBODY, ADMINISTRATOR),
    "people_collection": (VIEWER, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "cameras_camera": (VIEWER, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "people_modelversion": (VIEWER, ADMINISTRATOR, NOBODY, NOBODY),
    "training_trainingrun": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, NOBODY),
    "jobs_job": (ADMINISTRATOR, NOBODY, ADMINISTRATOR, NOBODY),
    "notices_webhook": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "notices_delivery": (ADMINISTRATOR, NOBODY, NOBODY, NOBODY),
    "accounts_user": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "accounts_apikey": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, NOBODY),
    "accounts_auditentry": (ADMINISTRATOR, NOBODY, NOBODY, NOBODY),
}
for _name, (_look, _add, _change, _delete) in MODELS.items():
    ADMIN |= {
        f"admin:{_name}_changelist": (_look, _look),
        f"admin:{_name}_history": (_look, _look),
        f"admin:{_name}_add": (_add, _add),
        f"admin:{_name}_change": (_look, _change),
        f"admin:{_name}_delete": (_delete, _delete),
        # Only redirects to `change`.
        f"admin/{_name.replace('_', '/')}/<path:object_id>/": (VIEWER, VIEWER),
    }
# The admin itself answers these: with 404 or a redirect.
ADMIN_OTHERS = {
    "admin:login",
    "admin:autocomplete",
    "admin:view_on_site",
    "admin/r/<path:address>",
    "admin/(?P<url>.*)$",
}


def _addresses() -> Iterator[tuple[str, str]]:
    """The name and the route of each address of the site. Without a name, the route twice."""

    def walk(resolver: URLResolver, route: str, space: str) -> Iterator[tuple[str, str]]:
        for entry in resolver.url_patterns:
            here = route + str(entry.pattern)
            if isinstance(entry, URLPattern):
                yield f"{space}{entry.name}" if entry.name else here, here
            else:
                inner = f"{entry.namespace}:" if entry.namespace else space
                yield from walk(entry, here, inner)

    return walk(get_resolver(), "", "")


ROUTES = dict(_addresses())


def test_every_address_is_in_the_table() -> None:
    known = OPEN | TOKEN | PAGES | set(API) | set(ADMIN) | ADMIN_OTHERS
    assert set(ROUTES) - known == set(), "an address that is in no table"
    assert known - set(ROUTES) == set(), "an address that no longer exists"


@dataclass
class World:
    """One row of each model, and the addresses with their ids."""

    collection: Collection
    ids: dict[str, Any] = field(default_factory=dict)

    def address(self, name: str) -> str:
        route = ROUTES[name].replace("<path:address>", "1/1/")
        model = re.match(r"admin/\w+/(\w+)/", route)
        object_id = self.ids.get(f"admin_{model[1]}", self.ids.get(model[1])) if model else None
        ids = self.ids | {"object_id": object_id, "id": self.ids["user"], "content_type_id": 1}
        # Two routes end with a regular expression.
        plain = re.sub(r"\^?\(\?P<\w+>(\w+|\.\*).*", r"\1", route).replace(".*", "other")
        plain = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids[match[1]]), plain)
        if name == "admin:app_list":
            return "/admin/people/"
        return f"/{plain}"


@pytest.fixture
def world(person: Person) -> World:
    make_calibration(person.collection)
    make_model_change(person.collection)
    event = make_event(person=person)
    make_clip(event, "mjpeg")
    other = make_person(person.collection)
    enrol(other, 2)
    ids = {
        "person": person.pk,
        "image": enrol(person, 1)[0].pk,
        "event": event.pk,
        "camera": make_camera(person.collection).pk,
        "collection": person.collection_id,
        "key": ApiKey.issue(name="k", scopes=[], collection_id=person.collection_id)[0].pk,
        "job": job_start(kind="measure", collection=person.collection_id, actor=SYSTEM).pk,
        "user": make_user(Role.VIEWER).pk,
        "import": make_refused_item(person.collection).run_id,
        "number": 0,
        "recording": make_recording(person.collection).pk,
        "export": make_export(person.collection).pk,
        "run": make_training_run(person.collection).pk,
        "webhook": make_webhook(collection_id=person.collection_id).pk,
        "modelversion": person.collection.embedder_id,
        "model": person.collection.embedder_id,
    }
    lookalike_add(person=person, other=other, actor=SYSTEM)
    ids["other"] = other.pk
    ids["trainingrun"] = ids["run"]
    ids["apikey"], ids["importrun"] = ids["key"], ids["import"]
    ids["admin_collection"] = make_collection().pk  # one with people cannot be deleted
    make_event(person=person)  # told to the webhook
    ids["delivery"] = Delivery.objects.latest("pk").pk
    record(SYSTEM, "test")
    ids["auditentry"] = AuditEntry.objects.latest("pk").pk
    ids |= {f"{name}_id": pk for name, pk in list(ids.items())}
    return World(person.collection, ids)


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.mark.parametrize("name", SCOPES_OF)
def test_every_rest_address_asks_for_its_scope(world: World, name: str) -> None:
    caller, scopes = caller_of(name), SCOPES_OF[name]
    is_asked_all = name in (Role.ADMINISTRATOR, "key:")  # 405 is the same for all the others
    wrong = []
    for endpoint, methods in API.items():
        for method in _METHODS if is_asked_all else methods:
            answer = ask(caller, method, world.address(endpoint))
            if method not in methods:
                is_right = answer.status_code == 405
            elif methods[method] in scopes or methods[method] is ANYBODY:
                is_right = answer.status_code < 500 and answer.status_code not in (401, 403, 404)
            else:
                is_right = answer.status_code == (404 if endpoint in BY_ROW else 403)
            if not is_right:
                wrong.append((endpoint, method, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_stranger_is_refused_at_every_address(world: World) -> None:
    """Only health and the sign-in page answer. All others answer 401, or redirect to sign-in."""
    stranger = Caller()
    names = [*API, *PAGES, *ADMIN, *ADMIN_OTHERS - {"admin:login"}]
    wrong = []
    for name in names:
        for method in (*_METHODS, "HEAD"):
            answer = ask(stranger, method, world.address(name))
            if answer.status_code == 401 or leads_to_sign_in(answer):
                continue
            if answer.status_code == 405 and not answer.content:
                continue
            wrong.append((name, method, answer.status_code, answer.get("Location")))
    assert not wrong, "\n".join(map(str, wrong))


def test_open_addresses_answer_without_sign_in(world: World, client: Any) -> None:
    for name in OPEN - {"logout", "admin:logout", "health-ready"}:
        answer = client.get(world.address(name), follow=True)
        assert answer.status_code == 200, name
    assert client.get("/health/ready").status_code in (200, 503)
    assert client.get("/static/web/admin.css").status_code == 200


_RANK = {"": 9, Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMINISTRATOR: 2}


@pytest.mark.parametrize("role", list(Role))
def test_admin_pages_open_by_role(world: World, role: Role) -> None:
    caller = signed_in(role)
    wrong = []
    for name, needed in ADMIN.items():
        for method, least in zip(("GET", "POST"), needed, strict=True):
            answer = ask_form(caller, method, world.address(name))
            may = _RANK[role] >= _RANK[least]
            if answer.status_code >= 500 or may != (answer.status_code not in (403, 404, 405)):
                wrong.append((name, method, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("role", list(Role))
def test_pages_open_for_every_signed_in_user(world: World, role: Role) -> None:
    caller = signed_in(role)
    for name in PAGES:
        assert caller.get(world.address(name), follow=True).status_code == 200, name


def test_a_key_opens_neither_pages_nor_the_admin(world: World) -> None:
    program = with_key()
    wrong = []
    for name in [*PAGES, *ADMIN]:
        answer = ask_form(program, "GET", world.address(name))
        if answer.status_code != 405 and not leads_to_sign_in(answer):
            wrong.append((name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_key_of_another_collection_sees_nothing(world: World) -> None:
    """All operations on a row answer 404, and lists are empty."""
    program = with_key(collection=make_collection(name="Elsewhere"))
    wrong = []
    for name, methods in API.items():
        address = world.address(name)
        for method in methods:
            answer = ask(program, method, address)
            if "<" in ROUTES[name]:
                is_right = answer.status_code == 404
            elif method == "GET" and name in LISTS:
                ids = {row["id"] for row in answer.json()["results"]}
                is_right = not ids & {str(pk) for pk in world.ids.values()}
            else:
                is_right = answer.status_code != 500
            if not is_right:
                wrong.append((name, method, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))
    listed = program.get("/api/v1/collections").json()["results"]
    assert [row["name"] for row in listed] == ["Elsewhere"]
