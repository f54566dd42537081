"""Notices: written in their transaction, delivered to subscribers, and deleted later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.access import NOBODY
from recognition.jobs.models import Job
from recognition.notices.messages import SUBJECTS, data_of, message_of
from recognition.notices.models import Attempt, Delivery, Notice, Webhook
from recognition.notices.payloads import NOTICE_KINDS
from recognition.notices.services.notices import notice_write, notices_prune
from recognition.notices.services.webhooks import webhook_update
from recognition.notices.sinks import SINKS, following_sinks, relayed_sinks
from recognition.people.models import Collection, Person
from tests.factories import make_event
from tests.recognition.notices.rows import ACTOR, make_webhook, tell

pytestmark = pytest.mark.django_db


def told(hook: Webhook) -> list[str]:
    return list(
        Delivery.objects.filter(receiver=hook.receiver_id)
        .order_by("pk")
        .values_list("kind", flat=True)
    )


class TestWrite:
    def test_notice_has_ids_and_the_time_of_the_database(self, collection: Collection) -> None:
        person, other = uuid4(), uuid4()
        tell("person.merged", subject=person, collection=collection.pk, merged=[other])
        notice = Notice.objects.get()
        assert (notice.kind, notice.subject_id) == ("person.merged", person)
        assert notice.collection_id == collection.pk
        assert notice.related == {"merged": [str(other)]}
        assert abs(notice.created_at - timezone.now()) < timedelta(seconds=5)

    def test_notice_of_a_transaction_that_fails_is_not_there(self) -> None:
        hook = make_webhook()
        with pytest.raises(ValueError), transaction.atomic():
            notice_write("person.erased", subject_id=uuid4(), collection_id=None)
            raise ValueError
        assert not Notice.objects.exists()
        assert not told(hook)

    @pytest.mark.django_db(transaction=True)
    def test_notice_outside_a_transaction_is_refused(self) -> None:
        with pytest.raises(RuntimeError):
            notice_write("person.erased", subject_id=uuid4(), collection_id=None)

    def test_each_webhook_that_wants_it_has_a_delivery(self, collection: Collection) -> None:
        everything = make_webhook()
        of_kind = make_webhook(kinds=["event.opened", "person.erased"])
        of_others = make_webhook(kinds=["event.opened"])
        of_collection = make_webhook(collection_id=collection.pk)
        of_another = make_webhook(collection_id=uuid4())
        off = make_webhook(is_enabled=False)
        tell("person.erased", collection=collection.pk)
        for hook in (everything, of_kind, of_collection):
            assert told(hook) == ["person.erased"]
        for hook in (of_others, of_another, off):
            assert told(hook) == []

    def test_webhook_of_one_collection_hears_nothing_of_the_whole_site(
        self, collection: Collection
    ) -> None:
        hook = make_webhook(collection_id=collection.pk)
        tell("job.ended", collection=None)
        assert told(hook) == []

    def test_notice_for_pages_goes_to_no_webhook(self) -> None:
        hook = make_webhook()
        tell("events.changed", events=[uuid4()])
        assert Notice.objects.count() == 1
        assert told(hook) == []


class TestTables:
    def test_every_sink_can_be_imported(self) -> None:
        assert len(following_sinks()) + len(relayed_sinks()) == len(SINKS)
        assert set(relayed_sinks()) == {"webhook"}

    @pytest.mark.parametrize("subject", SUBJECTS)
    def test_every_subject_can_be_looked_up(self, subject: str) -> None:
        assert data_of(subject, [uuid4()]) == {}

    def test_every_kind_has_a_subject(self) -> None:
        assert {kind.partition(".")[0] for kind in NOTICE_KINDS} == set(SUBJECTS)


class TestMessage:
    def test_message_has_the_present_state_of_an_event(self, person: Person) -> None:
        event = make_event(person=person)  # which writes the notice
        Person.objects.filter(pk=person.pk).update(name="Ann New")
        message = message_of(Notice.objects.get(kind="event.opened", subject_id=event.pk))
        assert message["type"] == "event.opened"
        assert message["timestamp"].endswith("Z")
        named = {"id": str(person.pk), "name": "Ann New", "labels": []}
        assert message["data"]["person"] == named  # type: ignore[typeddict-item]
        assert message["data"]["collection"] == str(person.collection_id)

    def test_message_of_a_merge_has_the_ids_of_merged_persons(self, person: Person) -> None:
        other = uuid4()
        tell("person.merged", subject=person.pk, collection=person.collection_id, merged=[other])
        message = message_of(Notice.objects.get(kind="person.merged"))
        assert message["data"] == {
            "id": str(person.pk),
            "collection": str(person.collection_id),
            "name": "Ann Example",
            "labels": [],
            "external_id": None,
            "merged": [str(other)],
        }

    def test_message_of_an_erased_person_has_ids_only(self, person: Person) -> None:
        pk, collection = person.pk, person.collection_id
        tell("person.enrolled", subject=pk, collection=collection)
        person.delete()
        message = message_of(Notice.objects.get(kind="person.enrolled"))
        assert message["data"] == {"id": str(pk), "collection": str(collection)}

    @pytest.mark.parametrize("kind", ["person.erased", "event.deleted"])
    def test_message_of_a_deleted_row_reads_no_row(self, kind: Any, person: Person) -> None:
        """Even if a row with this id existed again."""
        tell(kind, subject=person.pk, collection=person.collection_id)
        message = message_of(Notice.objects.get(kind=kind))
        assert set(message["data"]) == {"id", "collection"}

    def test_message_of_a_job_has_its_outcome(self) -> None:
        values = {"state": Job.State.FAILED, "error_code": "timed_out", "run_after": timezone.now()}
        job = Job.objects.create(kind="upkeep", **values)
        tell("job.ended", subject=job.pk)
        assert message_of(Notice.objects.get())["data"] == {
            "id": str(job.pk),
            "collection": None,
            "kind": "upkeep",
            "state": "failed",
            "error_code": "timed_out",
        }


class TestPrune:
    @staticmethod
    def age(days: float) -> None:
        then = timezone.now() - timedelta(days=days)
        Notice.objects.update(created_at=then)
        Delivery.objects.update(created_at=then)

    def test_notice_without_deliveries_is_pruned_after_a_day(self) -> None:
        hook = make_webhook()
        tell()
        Delivery.objects.update(state=Delivery.State.DELIVERED)
        assert notices_prune() == 0
        self.age(1.1)
        assert notices_prune() == 1
        assert not Notice.objects.exists()
        # The log stays for longer.
        assert told(hook) == ["person.erased"]

    def test_notice_that_is_not_delivered_yet_stays(self) -> None:
        make_webhook()
        tell()
        self.age(3)
        assert notices_prune() == 0
        assert Notice.objects.count() == 1

    def test_old_deliveries_are_pruned_with_their_log(self, settings: Any) -> None:
        settings.DELIVERIES_KEPT_DAYS = 5
        hook = make_webhook()
        tell()
        tell()
        delivered, _ = Delivery.objects.order_by("pk")
        Delivery.objects.filter(pk=delivered.pk).update(state=Delivery.State.DELIVERED)
        Attempt.objects.create(delivery=delivered, number=1, duration_ms=1)
        self.age(5.1)
        # Two deliveries and two notices.
        assert notices_prune() == 4
        assert told(hook) == []
        assert not Attempt.objects.exists()

    def test_more_than_one_batch_is_deleted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("recognition.notices.services.notices._BATCH", 2)
        for _ in range(5):
            tell()
        self.age(2)
        assert notices_prune() == 5

    def test_deliveries_of_a_deleted_webhook_are_pruned(self) -> None:
        hook = make_webhook()
        receiver = hook.receiver_id
        hook.receiver.delete()
        Delivery.objects.create(kind="person.erased", receiver_id=receiver)
        assert notices_prune() == 1


def test_enabled_webhook_hears_only_later_notices() -> None:
    hook = make_webhook(is_enabled=False)
    tell()
    webhook_update(webhook=hook, actor=ACTOR, access=NOBODY, is_enabled=True)
    tell("event.deleted")
    assert told(hook) == ["event.deleted"]
