"""Webhooks in the admin."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.access import Role
from accounts.models import AuditEntry
from recognition.notices.models import Attempt, Delivery, Webhook
from recognition.people.models import Collection
from tests.callers import Caller, signed_in
from tests.recognition.notices.rows import make_webhook, tell

pytestmark = pytest.mark.django_db
ADD = "/admin/notices/webhook/add/"
TEST = {"notices_webhook_send_test": "1"}


@pytest.fixture
def administrator(db: None) -> Caller:
    return signed_in(Role.ADMINISTRATOR)


def page(caller: Caller, address: str) -> str:
    answer = caller.get(address, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def change_url(hook: Webhook) -> str:
    return reverse("admin:notices_webhook_change", args=[hook.pk])


def submit(caller: Caller, address: str, **values: object) -> str:
    answer = caller.post(address, values, format="multipart", follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_added_webhook_shows_its_secret_once(administrator: Caller, collection: Collection) -> None:
    answer = administrator.post(
        ADD,
        {
            "url": "https://hook.example/",
            "kinds": ["event.opened"],
            "collection_id": str(collection.pk),
            "is_enabled": "on",
        },
        format="multipart",
    )
    hook = Webhook.objects.get()
    assert hook.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert (hook.kinds, hook.collection_id) == (["event.opened"], collection.pk)
    assert hook.created_by is not None
    assert hook.secret not in page(administrator, change_url(hook))
    assert AuditEntry.objects.filter(action="webhook.create").count() == 1


def test_internal_url_is_refused_on_the_form(administrator: Caller) -> None:
    text = submit(administrator, ADD, url="http://127.0.0.1:8000/", is_enabled="on")
    assert "internal address" in text
    assert not Webhook.objects.exists()


def test_webhook_is_switched_off_and_deleted(administrator: Caller) -> None:
    hook = make_webhook()
    submit(administrator, change_url(hook), url=hook.url)
    assert not Webhook.objects.get().is_enabled
    submit(administrator, reverse("admin:notices_webhook_delete", args=[hook.pk]), post="yes")
    assert not Webhook.objects.exists()


def test_webhook_page_says_why_it_is_off(administrator: Caller) -> None:
    hook = make_webhook()
    Webhook.objects.update(is_enabled=False, off_reason="Each attempt of 120 hours failed.")
    assert "Each attempt of 120 hours failed." in page(administrator, change_url(hook))


def test_test_button_leads_to_the_log(administrator: Caller) -> None:
    hook = make_webhook()
    text = submit(administrator, change_url(hook), url=hook.url, is_enabled="on", **TEST)
    assert "A test is being sent" in text
    assert "webhook.test" in text
    assert Delivery.objects.get().kind == "webhook.test"


def test_test_button_of_a_webhook_that_is_off_says_so(administrator: Caller) -> None:
    hook = make_webhook(is_enabled=False)
    assert "switch it on first" in submit(administrator, change_url(hook), url=hook.url, **TEST)


def test_log_shows_the_attempts_of_one_webhook(administrator: Caller) -> None:
    hook = make_webhook()
    tell("person.erased")
    make_webhook("https://other.example/")
    tell("event.deleted")
    first = Delivery.objects.filter(kind="person.erased").get()
    Attempt.objects.create(
        delivery=first, number=1, error="timed_out", message="There was no answer.", duration_ms=1
    )
    text = page(administrator, f"/admin/notices/webhook/{hook.pk}/log")
    assert "There was no answer." in text
    assert "other.example" not in text
    text = page(administrator, reverse("admin:notices_delivery_change", args=[first.pk]))
    assert "timed_out" in text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_webhooks_are_hidden_from_other_roles(role: Role) -> None:
    hook = make_webhook()
    caller = signed_in(role)
    for address in (change_url(hook), ADD, "/admin/notices/delivery/"):
        assert caller.get(address).status_code in (302, 403)
        assert hook.url not in caller.get(address, follow=True).content.decode()
    submitted = caller.post(change_url(hook), {"url": hook.url, **TEST}, format="multipart")
    assert submitted.status_code in (302, 403)
    assert not Delivery.objects.exists()
