"""Migrations are in step with the models, on both kinds of database."""

from __future__ import annotations

import math

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor

from recognition.models import Collection, IdempotencyRecord
from tests.factories import make_person


@pytest.mark.django_db
def test_the_models_are_migrated() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


_OURS = ("accounts", "recognition")


@pytest.mark.django_db(transaction=True)
def test_a_database_of_the_first_version_keeps_its_rows() -> None:
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes("recognition")
    try:
        executor.migrate([("recognition", "0001_initial")])
        before = executor.loader.project_state([("recognition", "0001_initial")]).apps
        model = before.get_model("recognition", "ModelVersion").objects.create(
            preset="mobilefacenet", role="embedder", sha256="0" * 64, dimension=192
        )
        collections = before.get_model("recognition", "Collection").objects
        old = collections.create(name="Staff", embedder=model, match_threshold=0.6)
    finally:
        MigrationExecutor(connection).migrate(newest)
    collection = Collection.objects.get(pk=old.pk)
    assert (collection.name, collection.match_threshold) == ("Staff", 0.6)
    assert collection.decider == Collection.Decider.NEAREST
    assert collection.flip_averaging == Collection.FlipAveraging.ENROLLED
    assert not collection.uses_own_curve


@pytest.mark.parametrize("app", _OURS)
def test_no_constraint_is_conditional(app: str) -> None:
    """MySQL and MariaDB ignore these silently."""
    constraints = [c for m in apps.get_app_config(app).get_models() for c in m._meta.constraints]
    unique = [c for c in constraints if isinstance(c, models.UniqueConstraint)]
    assert unique or app == "accounts"
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
def test_mysql_is_used_safely() -> None:
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
