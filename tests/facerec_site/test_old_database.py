"""A database from before the split into apps."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def _old_database() -> None:
    MigrationRecorder(connection).record_applied("recognition", "0001_initial")


@pytest.mark.usefixtures("_old_database")
@pytest.mark.parametrize("command", ["migrate", "bootstrap"])
def test_old_database_is_refused_with_one_sentence(command: str) -> None:
    with pytest.raises(CommandError) as raised:
        call_command(command, verbosity=0)
    sentence = str(raised.value)
    assert "DATABASE_URL" in sentence
    assert "FACEREC_VAR" in sentence
    assert sentence.count(".") == 1
    assert "\n" not in sentence
    assert not User.objects.exists()


def test_database_of_this_version_is_migrated() -> None:
    call_command("migrate", verbosity=0)
