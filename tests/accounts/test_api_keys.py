"""API keys: shown once, stored hashed, valid until they are not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access import Scope
from accounts.models import ApiKey

pytestmark = pytest.mark.django_db


def test_a_key_is_found_by_its_secret() -> None:
    key, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY])
    assert ApiKey.find(secret) == key
    assert ApiKey.find(secret + "x") is None


def test_the_secret_stands_nowhere_in_the_database() -> None:
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
def test_a_key_that_is_over_is_not_found(change: dict) -> None:
    key, secret = ApiKey.issue(name="door", scopes=[Scope.IDENTIFY])
    ApiKey.objects.filter(pk=key.pk).update(**change)
    assert ApiKey.find(secret) is None


def test_unknown_scopes_are_refused() -> None:
    with pytest.raises(ValueError, match="everything"):
        ApiKey.issue(name="door", scopes=["everything"])


def test_use_is_written_at_most_once_a_minute(django_assert_num_queries: object) -> None:
    key, _ = ApiKey.issue(name="door", scopes=[])
    key.mark_used()
    key.refresh_from_db()
    assert key.last_used_at is not None
    with django_assert_num_queries(0):  # type: ignore[operator]
        key.mark_used()
