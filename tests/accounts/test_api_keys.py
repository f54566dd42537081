"""API keys: the secret is shown once and stored as a hash; a key is valid until it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access import Role, Scope, access_of_key
from accounts.models import ApiKey, User
from tests.callers import with_secret
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_a_key_is_found_by_its_secret() -> None:
    key, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY])
    assert ApiKey.find(secret) == key
    assert ApiKey.find(secret + "x") is None


def test_secret_of_a_key_is_not_in_the_database() -> None:
    _, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        stored = " ".join(str(value) for row in cursor.fetchall() for value in row)
    assert secret not in stored
    assert secret[16:] not in stored


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"expires_at": timezone.now() - timedelta(seconds=1)}],
    ids=["switched off", "expired"],
)
def test_key_that_expired_or_was_revoked_is_not_found(change: dict) -> None:
    key, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY])
    ApiKey.objects.filter(pk=key.pk).update(**change)
    assert ApiKey.find(secret) is None


def test_a_key_ends_with_its_maker() -> None:
    maker = make_user(Role.ADMINISTRATOR)
    _, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY], created_by=maker)
    assert ApiKey.find(secret) is not None
    User.objects.filter(pk=maker.pk).update(is_active=False)
    assert ApiKey.find(secret) is None
    assert with_secret(secret).get("/api/v1/me").status_code == 401
    User.objects.filter(pk=maker.pk).update(is_active=True)
    assert ApiKey.find(secret) is not None


def test_a_key_may_no_more_than_its_maker_may_now() -> None:
    maker = make_user(Role.ADMINISTRATOR)
    scopes: list[str] = [Scope.IDENTIFY, Scope.MANAGE]
    _, secret = ApiKey.issue(name="door", scopes=scopes, created_by=maker)
    caller = with_secret(secret)
    assert caller.get("/api/v1/api-keys").status_code == 200
    maker.role = Role.VIEWER
    maker.save()
    assert caller.get("/api/v1/api-keys").status_code == 403
    assert caller.get("/api/v1/me").json()["scopes"] == [Scope.IDENTIFY]


def test_a_key_made_by_a_key_has_the_same_maker() -> None:
    maker = make_user(Role.ADMINISTRATOR)
    _, secret = ApiKey.issue(name="first", scopes=list(Scope), created_by=maker)
    values = {"name": "second", "scopes": ["detect"]}
    answer = with_secret(secret).post("/api/v1/api-keys", values)
    assert answer.status_code == 201
    assert ApiKey.objects.get(name="second").created_by == maker


def test_a_key_whose_maker_is_unknown_stays_as_it_is() -> None:
    maker = make_user(Role.ADMINISTRATOR)
    _, secret = ApiKey.issue(name="door", scopes=[Scope.MANAGE], created_by=maker)
    maker.delete()
    key = ApiKey.find(secret)
    assert key is not None
    assert access_of_key(key).may(Scope.MANAGE)


def test_key_with_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="everything"):
        ApiKey.issue(name="door", scopes=["everything"])


def test_use_of_a_key_is_written_at_most_once_a_minute(django_assert_num_queries: object) -> None:
    key, _ = ApiKey.issue(name="door", scopes=[])
    key.mark_used()
    key.refresh_from_db()
    assert key.last_used_at is not None
    with django_assert_num_queries(0):  # type: ignore[operator]
        key.mark_used()
