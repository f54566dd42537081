"""Webhooks over REST."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection

from accounts.access import Scope
from accounts.models import AuditEntry
from recognition.notices.models import Attempt, Delivery, Receiver, Webhook
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import make_collection
from tests.recognition.notices.rows import make_webhook, tell

pytestmark = pytest.mark.django_db
WEBHOOKS = "/api/v1/webhooks"
URL = "https://hook.example/facerec"


@pytest.fixture
def api(db: None) -> Caller:
    return with_key(Scope.MANAGE)


def make(api: Caller, **values: Any) -> Any:
    return api.post(WEBHOOKS, {"url": URL, **values})


class TestCreate:
    def test_created_webhook_tells_its_secret_once(self, api: Caller) -> None:
        answer = make(api)
        body = good(answer, 201)
        assert answer["Cache-Control"] == "no-store"
        assert body["secret"].startswith("whsec_")
        assert (body["url"], body["kinds"], body["is_enabled"]) == (URL, [], True)
        address = f"{WEBHOOKS}/{body['id']}"
        for again in (api.get(WEBHOOKS), api.get(address), api.patch(address, {"kinds": []})):
            assert body["secret"] not in again.content.decode()

    def test_webhook_with_limits_is_answered_with_them(
        self, api: Caller, collection: Collection
    ) -> None:
        kinds = ["event.opened", "person.erased"]
        body = good(make(api, kinds=kinds, collection=collection.pk, is_enabled=False), 201)
        assert body["kinds"] == kinds
        assert body["collection"] == str(collection.pk)
        assert body["is_enabled"] is False

    @pytest.mark.parametrize(
        "values",
        [
            {"url": ""},
            {"url": "https://x.example/" + "a" * 500},
            {"kinds": ["everything"]},
            {"kinds": "event.opened"},
            {"collection": "main"},
            {"is_enabled": "perhaps"},
        ],
    )
    def test_webhook_with_an_invalid_value_is_refused(self, api: Caller, values: dict) -> None:
        error = refusal(make(api, **values), 400, "validation_error")
        assert set(error["details"]["fields"]) == set(values)

    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("hook.example", "invalid_url"),
            ("ftp://hook.example/", "invalid_url"),
            ("https://user:word@hook.example/", "credentials_in_url"),
            ("https://hook.example:25/", "port_not_allowed"),
            ("http://169.254.169.254/latest/meta-data", "internal_address"),
            ("http://localhost:8000/", "internal_address"),
        ],
    )
    def test_webhook_with_a_forbidden_url_is_refused(
        self, api: Caller, url: str, code: str
    ) -> None:
        refusal(make(api, url=url), 400, code)
        hook = make_webhook()
        refusal(api.patch(f"{WEBHOOKS}/{hook.pk}", {"url": url}), 400, code)
        assert Webhook.objects.get().url == hook.url

    def test_webhook_for_an_unknown_collection_is_refused(self, api: Caller) -> None:
        refusal(make(api, collection=uuid.uuid4()), 404, "not_found")

    @pytest.mark.parametrize("scope", [s for s in Scope if s != Scope.MANAGE])
    def test_webhooks_need_the_manage_scope(self, db: None, scope: Scope) -> None:
        refusal(make(with_key(scope)), 403, "permission_denied")

    def test_audit_log_tells_the_host_and_no_secret(self, api: Caller) -> None:
        secret = good(make(api, url="https://hook.example/token/abc"), 201)["secret"]
        entry = AuditEntry.objects.get(action="webhook.create")
        assert entry.details == {"host": "hook.example"}
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                if table == Webhook._meta.db_table:
                    continue
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                assert secret not in repr(cursor.fetchall()), table


class TestLimitedKey:
    @pytest.fixture
    def clerk(self, collection: Collection) -> Caller:
        return with_key(Scope.MANAGE, collection=collection)

    def test_limited_key_makes_webhooks_of_its_collection(
        self, clerk: Caller, collection: Collection
    ) -> None:
        assert good(make(clerk), 201)["collection"] == str(collection.pk)
        refusal(make(clerk, collection=make_collection().pk), 404, "not_found")

    def test_limited_key_cannot_widen_a_webhook(
        self, clerk: Caller, collection: Collection
    ) -> None:
        address = f"{WEBHOOKS}/{good(make(clerk), 201)['id']}"
        assert good(clerk.patch(address, {"collection": None}))["collection"] == str(collection.pk)

    def test_limited_key_sees_no_webhook_of_all_collections(self, clerk: Caller) -> None:
        hook = make_webhook()
        assert good(clerk.get(WEBHOOKS))["results"] == []
        refusal(clerk.get(f"{WEBHOOKS}/{hook.pk}"), 404, "not_found")
        refusal(clerk.get(f"{WEBHOOKS}/{hook.pk}/deliveries"), 404, "not_found")
        refusal(clerk.post(f"{WEBHOOKS}/{hook.pk}/test"), 404, "not_found")
        refusal(clerk.delete(f"{WEBHOOKS}/{hook.pk}"), 404, "not_found")


class TestChange:
    def test_changed_webhook_keeps_its_other_fields(self, api: Caller) -> None:
        hook = make_webhook(kinds=["event.opened"])
        body = good(api.patch(f"{WEBHOOKS}/{hook.pk}", {"url": "https://new.example/"}))
        assert (body["url"], body["kinds"]) == ("https://new.example/", ["event.opened"])

    def test_webhook_is_switched_off_and_on_again(self, api: Caller) -> None:
        hook = make_webhook()
        tell()
        address = f"{WEBHOOKS}/{hook.pk}"
        assert good(api.patch(address, {"is_enabled": False}))["is_enabled"] is False
        assert Receiver.objects.get().next_at is None
        Webhook.objects.update(off_reason="It failed.")
        Receiver.objects.update(failures=7)
        body = good(api.patch(address, {"is_enabled": True}))
        assert (body["off_reason"], body["failures"], body["failing_since"]) == ("", 0, None)
        assert Receiver.objects.get().next_at is not None

    def test_deleted_webhook_leaves_no_rows(self, api: Caller) -> None:
        hook = make_webhook()
        tell()
        assert api.delete(f"{WEBHOOKS}/{hook.pk}").status_code == 204
        for model in (Webhook, Receiver, Delivery):
            assert not model.objects.exists()
        refusal(api.get(f"{WEBHOOKS}/{hook.pk}"), 404, "not_found")


class TestDeliveries:
    def test_delivery_is_listed_with_its_attempts(self, api: Caller) -> None:
        hook = make_webhook()
        tell("person.erased")
        delivery = Delivery.objects.get()
        values = {"status": 500, "error": "http_status", "message": "It answered 500."}
        Attempt.objects.create(delivery=delivery, number=1, duration_ms=12, **values)
        (row,) = good(api.get(f"{WEBHOOKS}/{hook.pk}/deliveries"))["results"]
        assert (row["id"], row["kind"]) == (str(delivery.pk), "person.erased")
        assert row["state"] == "pending"
        assert row["next_attempt_at"] is not None
        (line,) = row["log"]
        assert (line["number"], line["status"], line["error"]) == (1, 500, "http_status")
        assert line["duration_ms"] == 12

    def test_deliveries_of_other_webhooks_are_not_listed(self, api: Caller) -> None:
        make_webhook()
        tell()
        other = make_webhook()
        assert good(api.get(f"{WEBHOOKS}/{other.pk}/deliveries"))["results"] == []

    def test_delivered_message_has_no_next_attempt(self, api: Caller) -> None:
        hook = make_webhook()
        tell()
        Delivery.objects.update(state=Delivery.State.DELIVERED)
        (row,) = good(api.get(f"{WEBHOOKS}/{hook.pk}/deliveries"))["results"]
        assert row["next_attempt_at"] is None


class TestTestMessage:
    def test_test_message_waits_to_be_sent(self, api: Caller) -> None:
        hook = make_webhook()
        body = good(api.post(f"{WEBHOOKS}/{hook.pk}/test"), 202)
        assert (body["kind"], body["state"], body["log"]) == ("webhook.test", "pending", [])
        (row,) = good(api.get(f"{WEBHOOKS}/{hook.pk}/deliveries"))["results"]
        assert row["id"] == body["id"]

    def test_test_message_of_a_webhook_that_is_off_is_refused(self, api: Caller) -> None:
        hook = make_webhook(is_enabled=False)
        refusal(api.post(f"{WEBHOOKS}/{hook.pk}/test"), 409, "webhook_off")
