"""The tables match the models, and the server has safe settings."""

from __future__ import annotations

import math

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction

from recognition.people.models import Collection
from recognition.web.models import IdempotencyRecord
from tests.factories import make_person


def test_no_unique_constraint_has_a_condition() -> None:
    """MySQL and MariaDB ignore these silently."""
    ours = [m for m in apps.get_models() if m.__module__.startswith(("accounts.", "recognition."))]
    unique = [
        c for m in ours for c in m._meta.constraints if isinstance(c, models.UniqueConstraint)
    ]
    assert unique
    assert not [c.name for c in unique if c.condition is not None]


@pytest.mark.django_db
def test_keys_of_callers_are_compared_byte_for_byte() -> None:
    for key in ("Key", "key", "kéy"):
        IdempotencyRecord.objects.create(caller="user:1", key=key, fingerprint="f")
    with pytest.raises(IntegrityError), transaction.atomic():
        IdempotencyRecord.objects.create(caller="user:1", key="key", fingerprint="f")


@pytest.mark.django_db
def test_any_name_can_be_stored(collection: Collection) -> None:
    for name in ("Łukasz Żółć", "王小明", "👩‍🚀 Ada"):
        person = make_person(collection, name=name, metadata={"note": name})
        person.refresh_from_db()
        assert (person.name, person.metadata) == (name, {"note": name})


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "mysql", reason="asks MySQL and MariaDB only")
def test_mysql_is_strict_transactional_and_read_committed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode")
        (mode,) = cursor.fetchone()
        # MySQL calls it transaction_isolation, MariaDB tx_isolation.
        cursor.execute("SHOW VARIABLES LIKE 't%isolation'")
        isolations = {value for _, value in cursor.fetchall()}
        cursor.execute(
            "SELECT table_name, engine FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND engine <> 'InnoDB'"
        )
        assert not cursor.fetchall()
        if connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            cursor.execute("SELECT @@idle_transaction_timeout")
            assert cursor.fetchone() == (math.ceil(settings.LEASE_S),)
    assert "STRICT_ALL_TABLES" in mode
    assert isolations == {"READ-COMMITTED"}
