"""Users, keys and the audit log in the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import Role, Scope
from accounts.audit import SYSTEM, record
from accounts.models import ApiKey, AuditEntry, User
from recognition.people.models import Collection
from tests.callers import PageClient, with_secret
from tests.factories import make_user
from tests.recognition.admin_pages import act, address, errors_of, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return make_user(Role.ADMINISTRATOR, username="boss")


@pytest.fixture
def admin(boss: User) -> Client:
    client = PageClient()
    client.force_login(boss)
    return client


def entry(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


class TestUsers:
    MODEL = "accounts_user"

    def test_adding_a_user_sets_role_and_password(self, admin: Client) -> None:
        password = "correct-horse-battery"
        values = {"username": "otto", "role": "operator"}
        values |= {"password1": password, "password2": password, "usable_password": "true"}
        answer = admin.post(address(f"{self.MODEL}_add"), values)
        assert answer.status_code == 302, errors_of(answer)
        user = User.objects.get(username="otto")
        assert (user.role, user.is_superuser) == (Role.OPERATOR, False)
        assert user.check_password(password)
        assert entry("user.create").details == {"role": "operator"}
        assert password not in repr(list(AuditEntry.objects.values()))

    def test_user_with_a_weak_password_is_refused(self, admin: Client) -> None:
        values = {"username": "otto", "role": "viewer", "usable_password": "true"}
        values |= {"password1": "12345678", "password2": "12345678"}
        assert errors_of(admin.post(address(f"{self.MODEL}_add"), values))
        assert not User.objects.filter(username="otto").exists()

    def change(self, admin: Client, user: User, **changes: Any) -> Any:
        values = {"username": user.username, "role": user.role, "is_active": "on", "email": ""}
        values |= {"first_name": "", "last_name": ""} | changes
        values = {name: value for name, value in values.items() if value is not None}
        return admin.post(address(f"{self.MODEL}_change", user.pk), values)

    def test_change_of_a_user_role_is_audited(self, admin: Client) -> None:
        user = make_user(Role.VIEWER)
        assert self.change(admin, user, role="administrator").status_code == 302
        user.refresh_from_db()
        assert user.is_superuser
        assert entry("user.update").details == {"changed": ["Role"], "role": "administrator"}

    @pytest.mark.parametrize("change", [{"role": "viewer"}, {"is_active": None}])
    def test_last_administrator_cannot_be_removed(
        self, admin: Client, boss: User, change: dict
    ) -> None:
        answer = self.change(admin, boss, **change)
        assert "no administrator" in errors_of(answer)
        other = make_user(Role.ADMINISTRATOR)
        assert self.change(admin, other, **change).status_code == 302

    def test_deleting_a_user_is_audited_and_oneself_is_refused(
        self, admin: Client, boss: User
    ) -> None:
        user = make_user(Role.VIEWER)
        url = address(f"{self.MODEL}_delete", user.pk)
        page(admin.get(url))
        assert admin.post(url, {"post": "yes"}).status_code == 302
        assert not User.objects.filter(pk=user.pk).exists()
        assert entry("user.delete").target_id == str(user.pk)
        oneself = address(f"{self.MODEL}_delete", boss.pk)
        assert admin.post(oneself, {"post": "yes"}).status_code == 403

    def test_users_cannot_be_deleted_in_bulk(self, admin: Client, boss: User) -> None:
        act(admin, self.MODEL, "delete_selected", boss, post="yes")
        assert User.objects.filter(pk=boss.pk).exists()

    def test_new_password_of_a_user_is_set_and_audited(self, admin: Client) -> None:
        user = make_user(Role.VIEWER)
        url = address("auth_user_password_change", user.pk)
        page(admin.get(url))
        values = {"password1": "correct-horse-battery", "password2": "correct-horse-battery"}
        assert admin.post(url, values | {"usable_password": "true"}).status_code == 302
        user.refresh_from_db()
        assert user.check_password("correct-horse-battery")
        assert entry("user.update").target_id == str(user.pk)

    def test_password_hash_of_a_user_is_never_shown_whole(self, admin: Client) -> None:
        user = make_user(Role.VIEWER)
        text = page(admin.get(address(f"{self.MODEL}_change", user.pk)))
        assert user.password not in text


class TestKeys:
    MODEL = "accounts_apikey"

    def make(self, admin: Client, **values: Any) -> Any:
        fields = {"name": "door", "scopes": ["identify", "events"], "collection_id": ""}
        fields |= {"expires_at_0": "", "expires_at_1": ""}
        return admin.post(address(f"{self.MODEL}_add"), fields | values)

    def test_added_key_shows_its_secret_once(self, admin: Client, collection: Collection) -> None:
        assert "All collections" in page(admin.get(address(f"{self.MODEL}_add")))
        answer = self.make(admin, collection_id=str(collection.pk))
        secret = answer.context["secret"]
        assert secret in page(answer)
        assert "no-store" in answer["Cache-Control"]
        key = ApiKey.objects.get()
        assert (key.scopes, key.collection_id) == (["events", "identify"], collection.pk)
        assert key.created_by is not None
        assert with_secret(secret).get("/api/v1/me").json()["collection"] == str(collection.pk)
        for url in (address(f"{self.MODEL}_changelist"), address(f"{self.MODEL}_change", key.pk)):
            text = page(admin.get(url))
            assert secret not in text
            assert key.hash not in text
            assert key.prefix in text
            assert "Main" in text
        assert AuditEntry.objects.filter(action="key.issue").count() == 1

    @pytest.mark.parametrize(
        ("values", "error"),
        [
            ({"name": ""}, "required"),
            ({"scopes": []}, "required"),
            ({"scopes": ["everything"]}, "valid choice"),
            ({"collection_id": "00000000-0000-7000-8000-000000000000"}, "valid choice"),
            ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "past"),
        ],
    )
    def test_key_with_invalid_fields_is_refused(
        self, admin: Client, values: dict, error: str
    ) -> None:
        assert error in errors_of(self.make(admin, **values))
        assert not ApiKey.objects.exists()

    def change(self, admin: Client, key: ApiKey, **values: Any) -> Any:
        fields = {"name": key.name, "is_active": "on", "expires_at_0": "", "expires_at_1": ""}
        fields |= values
        fields = {name: value for name, value in fields.items() if value is not None}
        return admin.post(address(f"{self.MODEL}_change", key.pk), fields)

    def test_key_that_was_switched_off_stays_off(self, admin: Client) -> None:
        secret = self.make(admin).context["secret"]
        key = ApiKey.objects.get()
        assert with_secret(secret).get("/api/v1/me").status_code == 200
        assert self.change(admin, key, is_active=None).status_code == 302
        assert with_secret(secret).get("/api/v1/me").status_code == 401
        assert AuditEntry.objects.filter(action="key.revoke").count() == 1
        self.change(admin, key, is_active="on", name="again")
        key.refresh_from_db()
        assert (key.is_active, key.name) == (False, "door")

    def test_scopes_of_a_key_cannot_be_changed(self, admin: Client) -> None:
        self.make(admin)
        key = ApiKey.objects.get()
        assert self.change(admin, key, name="gate", scopes=["manage"]).status_code == 302
        key.refresh_from_db()
        assert (key.name, key.scopes) == ("gate", ["events", "identify"])
        assert entry("key.update").details == {"changed": ["name"]}

    def test_key_list_shows_the_state_of_each_key(self, admin: Client) -> None:
        ApiKey.issue(name="a", scopes=[Scope.DETECT], expires_at=timezone.now() - timedelta(days=1))
        key, _ = ApiKey.issue(name="b", scopes=[])
        ApiKey.objects.filter(pk=key.pk).update(is_active=False)
        ApiKey.issue(name="c", scopes=[], collection_id="00000000-0000-7000-8000-000000000000")
        text = page(admin.get(address(f"{self.MODEL}_changelist")))
        for told_of in ("expired", "off", "valid", "a deleted one", "none", "all"):
            assert told_of in text

    def test_key_is_never_deleted(self, admin: Client) -> None:
        self.make(admin)
        key = ApiKey.objects.get()
        assert admin.post(address(f"{self.MODEL}_delete", key.pk)).status_code == 403
        act(admin, self.MODEL, "delete_selected", key, post="yes")
        assert ApiKey.objects.exists()


class TestAuditLog:
    MODEL = "accounts_auditentry"

    def test_audit_log_is_never_written_by_hand(self, admin: Client) -> None:
        record(SYSTEM, "test")
        row = AuditEntry.objects.get()
        for name in ("change", "delete"):
            url = address(f"{self.MODEL}_{name}", row.pk)
            assert admin.post(url, {"post": "yes", "action": "x"}).status_code == 403
        assert admin.get(address(f"{self.MODEL}_add")).status_code == 403
        act(admin, self.MODEL, "delete_selected", row, post="yes")
        row.refresh_from_db()
        assert row.action == "test"
