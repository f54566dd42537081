"""Deliveries of one webhook against a real server: retries, the log, the lease."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.access import NOBODY, Access
from accounts.models import ApiKey, AuditEntry
from accounts.services import key_issue, key_revoke, key_update
from recognition.notices import courier
from recognition.notices.models import Delivery, Receiver, Webhook
from recognition.notices.services.webhooks import WebhookValues, webhook_test, webhook_update
from recognition.people.models import Collection, Person
from recognition.web.leases import DatabaseTime, take
from tests.recognition.notices.receivers import (
    Behaviour,
    Handler,
    answer,
    closed_port,
    drop,
    hang,
    late,
    redirect,
)
from tests.recognition.notices.receivers import Receiver as Server
from tests.recognition.notices.rows import (
    ACTOR,
    errors_of,
    make_due,
    make_webhook,
    only_delivery,
    serve,
    tell,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short(settings: Any) -> None:
    settings.WEBHOOK_LIMIT_S = 0.5


@pytest.fixture
def hook(receiver: Server) -> Webhook:
    return make_webhook(receiver.url)


def _revoke(key: ApiKey) -> None:
    key_revoke(key=key, actor=ACTOR)


def _expire(key: ApiKey) -> None:
    key_update(key=key, actor=ACTOR, expires_at=timezone.now())


def health(hook: Webhook) -> Receiver:
    return Receiver.objects.get(pk=hook.receiver_id)


class TestSuccess:
    def test_message_is_signed_and_recorded(self, hook: Webhook, receiver: Server) -> None:
        tell("person.erased", subject=hook.pk)
        serve(hook)
        (request,) = receiver.received
        delivery = only_delivery(hook)
        assert request.id == str(delivery.pk)
        key = base64.b64decode(hook.secret.removeprefix("whsec_"))
        signed = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{expected}"
        assert abs(int(request.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 5
        assert request.headers["content-type"] == "application/json"
        assert request.message["type"] == "person.erased"
        assert delivery.state == Delivery.State.DELIVERED
        (line,) = delivery.log.all()
        assert (line.number, line.status, line.error) == (1, 204, "")
        assert line.duration_ms < 500

    def test_message_is_never_sent_again(self, hook: Webhook, receiver: Server) -> None:
        tell()
        serve(hook)
        make_due(hook)
        serve(hook)
        assert len(receiver.received) == 1

    def test_deliveries_of_one_webhook_come_in_order(self, hook: Webhook, receiver: Server) -> None:
        kinds = ["person.erased", "event.deleted", "person.erased"]
        for kind in kinds:
            tell(kind)  # type: ignore[arg-type]
        serve(hook)
        assert [request.message["type"] for request in receiver.received] == kinds

    def test_name_of_an_erased_person_never_leaves(
        self, hook: Webhook, receiver: Server, person: Person
    ) -> None:
        pk = person.pk
        tell("person.enrolled", subject=pk, collection=person.collection_id)
        person.delete()
        serve(hook)
        (request,) = receiver.received
        assert request.message["data"]["id"] == str(pk)
        assert b"Ann" not in request.body


class TestFailure:
    @pytest.mark.parametrize(
        ("behaviour", "error"),
        [
            (answer(500), "http_status"),
            (answer(404), "http_status"),
            (hang, "timed_out"),
            (late(3), "timed_out"),
            (drop, "connection_failed"),
            (redirect("http://127.0.0.1:9/inner"), "redirected"),
        ],
        ids=["500", "404", "hangs", "late", "drops", "redirects"],
    )
    def test_failed_attempt_is_retried_with_the_same_id(
        self, hook: Webhook, receiver: Server, behaviour: Behaviour, error: str
    ) -> None:
        receiver.will(behaviour, behaviour)
        tell()
        for _ in range(3):
            serve(hook)
            make_due(hook)
        assert len({request.id for request in receiver.received}) == 1
        assert len({request.body for request in receiver.received}) == 1
        delivery = only_delivery(hook)
        assert errors_of(delivery) == [error, error, ""]
        assert (delivery.state, delivery.attempts) == (Delivery.State.DELIVERED, 3)
        assert health(hook).failures == 0
        assert health(hook).failing_since is None

    def test_delivery_to_a_closed_port_is_retried(self, hook: Webhook, receiver: Server) -> None:
        Webhook.objects.update(url=f"http://127.0.0.1:{closed_port()}/")
        tell()
        serve(hook)
        assert errors_of(only_delivery(hook)) == ["connection_failed"]
        Webhook.objects.update(url=receiver.url)
        make_due(hook)
        serve(hook)
        assert only_delivery(hook).state == Delivery.State.DELIVERED

    def test_url_that_is_internal_is_not_connected_to(
        self, hook: Webhook, receiver: Server, settings: Any
    ) -> None:
        settings.WEBHOOK_ALLOW_INTERNAL = False
        tell()
        serve(hook)
        assert not receiver.received
        (line,) = only_delivery(hook).log.all()
        assert line.error == "internal_address"

    def test_pauses_between_retries_follow_the_schedule(
        self, hook: Webhook, receiver: Server, settings: Any
    ) -> None:
        settings.DELIVERY_RETRIES_S = [100, 1000]
        receiver.will(*[answer(500)] * 3)
        tell()
        for pause_s in (100, 1000):
            make_due(hook)
            serve(hook)
            due_in_s = (only_delivery(hook).next_at - timezone.now()).total_seconds()
            assert pause_s - 5 < due_in_s < pause_s * 1.25 + 5
        make_due(hook)
        serve(hook)
        assert only_delivery(hook).state == Delivery.State.FAILED
        make_due(hook)
        serve(hook)
        assert len(receiver.received) == 3

    def test_failing_receiver_is_paused(self, hook: Webhook, receiver: Server) -> None:
        """Not even messages that were never tried are sent during the pause."""
        receiver.will(answer(500))
        tell()
        tell()
        serve(hook)
        serve(hook)
        assert len(receiver.received) == 1
        assert health(hook).failures == 1
        assert health(hook).failing_since is not None

    def test_one_bad_message_does_not_hold_up_the_others(
        self, hook: Webhook, receiver: Server
    ) -> None:
        receiver.will(answer(500))
        for _ in range(3):
            tell()
        serve(hook)
        Receiver.objects.update(next_at=DatabaseTime())
        serve(hook)
        states = list(Delivery.objects.order_by("pk").values_list("state", flat=True))
        assert states == ["pending", "delivered", "delivered"]

    def test_message_that_cannot_be_made_counts_as_failed(
        self, hook: Webhook, receiver: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise KeyError("name")

        monkeypatch.setattr("recognition.notices.sinks.webhook.message_of", fail)
        tell()
        serve(hook)
        assert errors_of(only_delivery(hook)) == ["failed"]
        assert not receiver.received


class TestSwitchOff:
    def test_webhook_that_failed_for_too_long_is_switched_off(
        self, hook: Webhook, receiver: Server, settings: Any
    ) -> None:
        settings.DELIVERY_OFF_AFTER_H = 2
        receiver.will(answer(500), answer(500))
        tell()
        serve(hook)
        assert Webhook.objects.get().is_enabled
        Receiver.objects.update(failing_since=timezone.now() - timedelta(hours=3))
        make_due(hook)
        serve(hook)
        off = Webhook.objects.get()
        assert not off.is_enabled
        assert "3 hours" in off.off_reason
        assert "500" in off.off_reason
        assert AuditEntry.objects.filter(action="webhook.off").exists()
        assert health(hook).next_at is None

    def test_successful_delivery_ends_the_time_of_failure(
        self, hook: Webhook, receiver: Server, settings: Any
    ) -> None:
        settings.DELIVERY_OFF_AFTER_H = 2
        Receiver.objects.update(failures=9, failing_since=timezone.now() - timedelta(hours=3))
        receiver.will(answer(204), answer(500))
        tell()
        tell()
        serve(hook)
        assert Webhook.objects.get().is_enabled

    def test_receiver_that_is_gone_is_switched_off_at_once(
        self, hook: Webhook, receiver: Server
    ) -> None:
        receiver.will(answer(410))
        tell()
        serve(hook)
        assert not Webhook.objects.get().is_enabled
        make_due_deliveries_only(hook)
        serve(hook)
        assert len(receiver.received) == 1

    @pytest.mark.parametrize("ends", [_revoke, _expire])
    def test_webhook_of_a_key_that_ended_sends_nothing_until_a_user_switches_it_on(
        self, receiver: Server, ends: Callable[[ApiKey], None]
    ) -> None:
        maker, _ = key_issue(name="maker", scopes=["manage"], actor=ACTOR)
        key, _ = key_issue(name="made", scopes=["manage"], maker=maker, actor=ACTOR)
        hook = make_webhook(receiver.url, access=Access(key=key))
        tell()
        serve(hook)
        assert len(receiver.received) == 1
        ends(maker)
        tell()
        serve(hook)
        hook.refresh_from_db()
        assert (len(receiver.received), hook.is_enabled) == (1, False)
        assert "revoked or has expired" in hook.off_reason
        webhook_update(webhook=hook, actor=ACTOR, access=NOBODY, is_enabled=True)
        serve(hook)
        assert len(receiver.received) == 2

    @pytest.mark.parametrize("change", ["url", "kinds", "collection_id"])
    def test_webhook_ends_with_the_key_that_changed_its_target(
        self, receiver: Server, collection: Collection, change: str
    ) -> None:
        """A key that is revoked leaves no webhook behind that sends where the key wanted."""
        changes: dict[str, WebhookValues] = {
            "url": {"url": receiver.url},
            "kinds": {"kinds": ["person.erased"]},
            "collection_id": {"collection_id": collection.pk},
        }
        key, _ = key_issue(name="changer", scopes=["manage"], actor=ACTOR)
        hook = make_webhook("https://hook.example/", kinds=["event.opened"])
        webhook_update(webhook=hook, actor=ACTOR, access=Access(key=key), **changes[change])
        hook.refresh_from_db()
        assert hook.made_by == key
        _revoke(key)
        hook.refresh_from_db()
        assert hook.has_ended
        tell()
        serve(hook)
        assert receiver.received == []

    def test_webhook_keeps_its_key_if_nothing_changes(self, receiver: Server) -> None:
        key, _ = key_issue(name="maker", scopes=["manage"], actor=ACTOR)
        hook = make_webhook(receiver.url, access=Access(key=key))
        webhook_update(webhook=hook, actor=ACTOR, access=NOBODY, url=receiver.url, is_enabled=True)
        hook.refresh_from_db()
        assert hook.made_by == key

    def test_webhook_that_is_switched_on_again_gets_what_waits(
        self, hook: Webhook, receiver: Server
    ) -> None:
        receiver.will(answer(410))
        tell()
        serve(hook)
        changed = webhook_update(webhook=hook, actor=ACTOR, access=NOBODY, is_enabled=True)
        assert changed.off_reason == ""
        serve(hook)
        assert only_delivery(hook).state == Delivery.State.DELIVERED

    def test_webhook_that_is_switched_off_meanwhile_stays_off(
        self, hook: Webhook, receiver: Server
    ) -> None:
        def off(handler: Handler) -> None:
            webhook_update(webhook=hook, actor=ACTOR, access=NOBODY, is_enabled=False)
            answer(500)(handler)

        receiver.will(off)
        tell()
        serve(hook)
        assert health(hook).next_at is None
        assert Webhook.objects.get().off_reason == ""


class TestTestMessage:
    def test_test_message_is_sent_and_logged(self, hook: Webhook, receiver: Server) -> None:
        delivery = webhook_test(webhook=hook, actor=ACTOR)
        serve(hook)
        (request,) = receiver.received
        assert request.id == str(delivery.pk)
        assert request.message["type"] == "webhook.test"
        assert request.message["data"] == {"webhook": str(hook.pk)}
        assert errors_of(delivery) == [""]

    def test_failed_test_message_is_not_tried_again(self, hook: Webhook, receiver: Server) -> None:
        receiver.will(answer(500))
        webhook_test(webhook=hook, actor=ACTOR)
        serve(hook)
        assert only_delivery(hook).state == Delivery.State.FAILED

    def test_test_message_does_not_wait_for_the_end_of_a_pause(
        self, hook: Webhook, receiver: Server
    ) -> None:
        receiver.will(answer(500))
        tell()
        serve(hook)
        webhook_test(webhook=hook, actor=ACTOR)
        serve(hook)
        assert [r.message["type"] for r in receiver.received] == ["person.erased", "webhook.test"]


class TestLease:
    def test_receiver_of_another_process_is_left_alone(
        self, hook: Webhook, receiver: Server
    ) -> None:
        tell()
        assert take(Receiver.objects.filter(pk=hook.receiver_id), owner="other")
        serve(hook)
        assert not receiver.received
        assert only_delivery(hook).state == Delivery.State.PENDING

    def test_courier_gives_its_lease_back(self, hook: Webhook, receiver: Server) -> None:
        receiver.will(answer(204), answer(500))
        for _ in range(2):
            tell()
            serve(hook)
            assert health(hook).owner == ""

    def test_late_record_of_an_owner_that_lost_its_lease_is_refused(
        self, hook: Webhook, receiver: Server
    ) -> None:
        def taken_over(handler: Handler) -> None:
            """As if the sender had been paused: the lease lapses, and another sender takes over."""
            rows = Receiver.objects.filter(pk=hook.receiver_id)
            rows.update(lease_until=DatabaseTime(-1))
            assert take(rows, owner="other")
            Delivery.objects.update(state=Delivery.State.DELIVERED, attempts=1)
            answer(500)(handler)

        receiver.will(taken_over)
        tell()
        serve(hook)
        delivery = only_delivery(hook)
        assert (delivery.state, delivery.attempts) == (Delivery.State.DELIVERED, 1)
        assert errors_of(delivery) == []
        assert health(hook).owner == "other"
        assert health(hook).failures == 0

    def test_sender_that_was_paused_before_sending_sends_nothing(
        self, hook: Webhook, receiver: Server, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def paused(*args: Any, **options: Any) -> Any:
            settings.LEASE_S = 0.0  # the lease that was taken is no longer sure
            return real(*args, **options)

        real = courier.relayed_sinks
        settings.LEASE_S = 30.0
        monkeypatch.setattr(courier, "relayed_sinks", paused)
        tell()
        serve(hook)
        assert not receiver.received
        assert errors_of(only_delivery(hook)) == []

    def test_success_is_recorded_when_the_database_is_back(
        self, hook: Webhook, receiver: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failures = [OperationalError(2006, "gone away"), OperationalError(2002, "no connection")]

        def flaky(*args: Any) -> None:
            if failures:
                raise failures.pop()
            real(*args)

        real = courier._record
        monkeypatch.setattr(courier, "_record", flaky)
        monkeypatch.setattr(courier, "_RECORD_AGAIN_S", 0.01)
        tell()
        serve(hook)
        assert only_delivery(hook).state == Delivery.State.DELIVERED
        assert len(receiver.received) == 1


def make_due_deliveries_only(hook: Webhook) -> None:
    Delivery.objects.filter(receiver=hook.receiver_id).update(next_at=DatabaseTime())


def test_courier_logs_no_secret(
    hook: Webhook, receiver: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.will(answer(500), hang)
    tell()
    for _ in range(3):
        serve(hook)
        make_due(hook)
    assert hook.secret not in caplog.text
    assert hook.secret not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))


def test_failing_receiver_delays_no_other(receivers: Callable[..., Server]) -> None:
    good, bad = receivers(), receivers(answer(500))
    hooks = [make_webhook(server.url) for server in (good, bad)]
    tell()
    for hook in hooks:
        serve(hook)
    states = [only_delivery(hook).state for hook in hooks]
    assert states == [Delivery.State.DELIVERED, Delivery.State.PENDING]
