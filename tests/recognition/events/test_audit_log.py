"""The audit log in the admin names people, and all pictures of one page are one entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import SYSTEM, record
from accounts.models import AuditEntry
from recognition.people.models import Person
from tests.callers import Caller, with_key
from tests.factories import ACTOR, enrol, make_event, make_person
from tests.recognition.admin_pages import address, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
LOG = "accounts_auditentry_changelist"


def look(api: Caller, person: Person) -> None:
    for image in person.images.all():
        assert api.get(f"/api/v1/images/{image.pk}/file").status_code == 200


def views() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="image.view").order_by("pk"))


def test_pictures_of_a_page_are_one_entry_that_names_all_of_them(
    api: Caller, person: Person
) -> None:
    enrol(person, 1, 1)
    other = make_person(person.collection, name="Bob")
    enrol(other, 2)
    look(api, person)
    look(api, other)
    event = make_event(person=person)
    api.get(f"/api/v1/events/{event.pk}/face")
    (entry,) = views()
    assert entry.details["people"] == {str(person.pk): 3, str(other.pk): 1}
    assert entry.details["views"] == 4
    ids = {picture.partition(":")[2] for picture in entry.details["pictures"]}
    images = {
        str(pk) for owner in (person, other) for pk in owner.images.values_list("pk", flat=True)
    }
    assert ids == images | {str(event.pk)}


def test_views_of_two_callers_and_much_later_ones_are_entries_of_their_own(
    api: Caller, person: Person
) -> None:
    enrol(person, 1)
    look(api, person)
    look(with_key(), person)
    assert len(views()) == 2
    AuditEntry.objects.update(at=timezone.now() - timedelta(hours=1))
    look(api, person)
    assert len(views()) == 3


def test_entry_of_views_is_bounded(
    api: Caller, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.audit._MOST_VIEWS", 2)
    enrol(person, 1)
    for _ in range(5):
        look(api, person)
    assert [entry.details["views"] for entry in views()] == [2, 2, 1]


def test_audit_log_names_people_and_what_they_were_part_of(
    administrator: Client, api: Caller, person: Person
) -> None:
    image = enrol(person, 1)[0]
    look(api, person)
    record(ACTOR, "image.delete", image, person=str(person.pk))
    record(ACTOR, "event.delete", make_event(person=person))
    text = page(administrator.get(address(LOG)))
    for told in ("Ann Example (1 picture)", "photo of Ann Example", "visit of Ann Example",
                 "person: Ann Example"):  # fmt: skip
        assert told in text


def test_audit_log_names_what_is_gone_by_its_id(administrator: Client) -> None:
    record(SYSTEM, "image.refuse", target_type="person", target_id="abc", codes={"no_face": 2})
    record(SYSTEM, "image.enrol", images=[str(number) * 30 for number in range(5)])
    text = page(administrator.get(address(LOG)))
    for told in ("image.refuse", "person …abc", "codes: 2 no_face", "images: 5"):
        assert told in text
    row = AuditEntry.objects.latest("pk")
    page(administrator.get(address("accounts_auditentry_change", row.pk)))
    page(administrator.get(address(LOG), {"q": "abc", "action": "image.refuse"}))


def test_audit_log_has_as_many_queries_for_more_entries(
    administrator: Client, person: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        record(ACTOR, "person.update", make_person(person.collection, name=f"Person {number}"))
    with django_assert_max_num_queries(20):
        page(administrator.get(address(LOG)))
