"""Actions of the admin on all rows of a list, for any number of rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client, RequestFactory

from accounts.access import Role
from recognition.cameras.models import Camera
from recognition.events.models import Event
from recognition.notices.models import Receiver, Webhook
from recognition.people.models import Collection, Person
from recognition.web.errors import ServiceError
from tests.factories import make_person, make_user
from tests.recognition.admin_pages import act, address, page, told

pytestmark = pytest.mark.django_db

ROWS = 2500
# For each action: its service, and further fields of its confirmation.
SERVICES = {
    ("people_person", "erase_people"): "recognition.people.admin.people.person_erase",
    ("people_person", "merge_people"): "recognition.people.admin.people.person_merge",
    ("events_event", "delete_selected"): "recognition.events.admin.events.event_delete",
    ("events_event", "confirm_events"): "recognition.events.admin.reviewing.event_review",
    ("events_event", "reject_events"): "recognition.events.admin.reviewing.event_review",
    ("cameras_camera", "delete_selected"): "recognition.cameras.admin.camera_delete",
    ("notices_webhook", "delete_selected"): "recognition.notices.admin.webhook_delete",
}
# They change nothing, and are sent while they are read.
DOWNLOADS = {("people_person", "download_people"), ("events_event", "download_events")}


def _people(collection: Collection) -> None:
    Person.objects.bulk_create(Person(collection=collection, name=f"P {n}") for n in range(ROWS))


def _events(collection: Collection) -> None:
    from django.utils import timezone

    now = timezone.now()
    shared = {"collection": collection, "started_at": now, "ended_at": now, "threshold": 0.4}
    Event.objects.bulk_create(Event(**shared) for _ in range(ROWS))


def _cameras(collection: Collection) -> None:
    Camera.objects.bulk_create(Camera(collection=collection, name=f"C {n}") for n in range(ROWS))


def _webhooks(collection: Collection) -> None:
    Receiver.objects.bulk_create(Receiver(sink="webhook", key=f"{n}") for n in range(ROWS))
    hooks = (Webhook(receiver=each, url="https://example.com") for each in Receiver.objects.all())
    Webhook.objects.bulk_create(hooks)


MAKE: dict[str, Callable[[Collection], None]] = {
    "people_person": _people,
    "events_event": _events,
    "cameras_camera": _cameras,
    "notices_webhook": _webhooks,
}


def _hidden(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)


def test_every_action_is_in_the_table(administrator: Client) -> None:
    request = RequestFactory().get("/")
    request.user = make_user(Role.ADMINISTRATOR)
    found = {
        (f"{model._meta.app_label}_{model._meta.model_name}", name)
        for model, model_admin in admin.site._registry.items()
        for name in model_admin.get_actions(request)
    }
    assert found - DOWNLOADS == set(SERVICES)


@pytest.mark.parametrize(("model", "action"), SERVICES)
def test_action_on_all_rows_reaches_each_of_them(
    administrator: Client,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    action: str,
) -> None:
    done: list[Any] = []

    def serve(**values: Any) -> Any:
        done.append(values)
        return values.get("event")

    monkeypatch.setattr(SERVICES[model, action], serve)
    MAKE[model](collection)
    first = admin.site._registry[_model(model)].model._default_manager.first()
    answer = act(administrator, model, action, first, select_across="1")
    if answer.status_code == 200:
        assert done == []
        fields = _hidden(page(answer))
        assert len(fields) < settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        # Added after the confirmation page was shown, so not included.
        if model == "people_person":
            make_person(collection, name="New")
        answer = administrator.post(address(f"{model}_changelist"), _flat(fields, first))
    assert answer.status_code == 302, answer.content[:300]
    assert len(done) == ROWS - (action == "merge_people")
    assert "New" not in {getattr(values.get("person"), "name", "") for values in done}


def _model(name: str) -> Any:
    return next(
        m for m in admin.site._registry if name == f"{m._meta.app_label}_{m._meta.model_name}"
    )


def _flat(fields: list[tuple[str, str]], first: Any) -> dict[str, str]:
    return {**dict(fields), "into": str(first.pk)}


def test_refusals_are_told_once_for_each_reason(
    administrator: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**values: Any) -> None:
        raise ServiceError("busy", "Somebody is at work.", status=409)

    monkeypatch.setattr("recognition.people.admin.people.person_erase", refuse)
    people = [make_person(collection) for _ in range(3)]
    answer = act(administrator, "people_person", "erase_people", *people, confirmed="yes")
    assert told(answer)[:-1] == ["3 times: Somebody is at work."]
    assert told(answer)[-1].startswith("0 erased")


def test_a_filter_limits_all_rows(
    administrator: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(
        "recognition.people.admin.people.person_erase", lambda **values: done.append(values)
    )
    person = make_person(collection, name="Ann")
    make_person(collection, name="Bob")
    url = address("people_person_changelist") + "?q=ann"
    asked = {"action": "erase_people", "select_across": "1", "_selected_action": str(person.pk)}
    fields = dict(_hidden(page(administrator.post(url, asked))))
    assert administrator.post(url, fields).status_code == 302
    assert [values["person"] for values in done] == [person]


@pytest.mark.parametrize("newest", ["x", "9" * 40, ""])
def test_odd_newest_row_chooses_nobody(
    administrator: Client, collection: Collection, newest: str
) -> None:
    person = make_person(collection)
    fields = {"confirmed": "yes", "select_across": "1", "newest": newest}
    act(administrator, "people_person", "erase_people", person, **fields)
    assert Person.objects.filter(pk=person.pk).exists()
