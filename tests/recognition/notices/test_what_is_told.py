"""The notices that the services of people, events and jobs write."""

from __future__ import annotations

import pytest
from django.db import transaction

from recognition.events.models import Event
from recognition.events.services.enrolment import event_enrol
from recognition.events.services.events import event_delete, event_review
from recognition.jobs.models import Job
from recognition.jobs.services import job_cancel, job_ended, job_start
from recognition.notices.models import Notice
from recognition.people.models import Collection, Person
from recognition.people.services.persons import person_erase, person_merge, person_update
from tests.factories import ACTOR, enrol, make_event, make_person
from tests.fakes import FakeEngine

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    """The notices since the last call."""
    found = list(Notice.objects.order_by("pk").values_list("kind", flat=True))
    Notice.objects.all().delete()
    return found


def test_enrolment_of_several_pictures_writes_one_notice(
    engine: FakeEngine, person: Person
) -> None:
    enrol(person, 1, 1, 1)
    (notice,) = Notice.objects.all()
    assert (notice.kind, notice.subject_id) == ("person.enrolled", person.pk)
    assert notice.collection_id == person.collection_id


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Ann Other"}, ["person.renamed"]),
        ({"external_id": "hr-9"}, ["person.renamed"]),
        ({"name": "Ann Example"}, []),
        ({"labels": ["staff"]}, []),
        ({"is_active": False}, []),
    ],
)
def test_change_of_a_public_field_writes_a_notice(
    person: Person, changes: dict, told: list[str]
) -> None:
    person_update(person=person, actor=ACTOR, **changes)
    assert kinds() == told


def test_notice_of_a_merge_names_the_merged_person(person: Person) -> None:
    into = make_person(person.collection)
    make_event(person=person)
    kinds()
    gone = person.pk
    person_merge(into=into, person=person, actor=ACTOR)
    notice = Notice.objects.get(kind="person.merged")
    assert (notice.subject_id, notice.related) == (into.pk, {"merged": [str(gone)]})
    assert kinds() == ["events.changed", "person.merged"]


def test_erasing_a_person_writes_one_notice(person: Person) -> None:
    pk = person.pk
    person_erase(person=person, actor=ACTOR)
    assert Notice.objects.get().subject_id == pk
    assert kinds() == ["person.erased"]


def test_review_and_deletion_of_an_event_write_notices(person: Person) -> None:
    event = make_event(person=person)
    event_review(event=event, review=Event.Review.CONFIRMED, actor=ACTOR)
    event_delete(event=event, actor=ACTOR)
    assert kinds() == ["event.opened", "event.decided", "event.deleted"]


def test_enrolment_of_an_event_writes_notices(engine: FakeEngine, collection: Collection) -> None:
    event = make_event(collection)
    kinds()
    event_enrol(event=event, name="Bea", actor=ACTOR)
    assert kinds() == ["person.enrolled", "event.decided"]


def test_end_of_a_job_writes_a_notice(collection: Collection) -> None:
    job = job_start(kind="measure", actor=ACTOR, collection=collection.pk)
    job_cancel(job=job, actor=ACTOR)
    notice = Notice.objects.get()
    assert (notice.kind, notice.subject_id) == ("job.ended", job.pk)
    assert notice.collection_id == collection.pk


def test_periodic_job_writes_a_notice_only_if_it_failed() -> None:
    job = job_start(kind="upkeep", actor=ACTOR)
    with transaction.atomic():
        job_ended(job, Job.State.DONE)
    assert kinds() == []
    with transaction.atomic():
        job_ended(job, Job.State.FAILED)
    assert kinds() == ["job.ended"]


def test_refused_change_writes_no_notice(person: Person) -> None:
    make_person(person.collection, external_id="taken")
    with pytest.raises(Exception, match="external id"):
        person_update(person=person, actor=ACTOR, external_id="taken")
    assert kinds() == []
