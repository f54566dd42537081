"""Refuse a database from before the split into apps, before `migrate` changes anything in it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# The label of the one app that held all tables before the split.
OLD_LABEL = "recognition"
REFUSAL = (
    "This database was made by a development version of Facerec whose tables cannot be carried "
    "over: choose a new one with DATABASE_URL or another folder with FACEREC_VAR."
)


def refuse_old_database(*, using: str, **kwargs: Any) -> None:
    """A receiver of `pre_migrate`; raises CommandError."""
    applied = MigrationRecorder(connections[using]).applied_migrations()
    if any(label == OLD_LABEL for label, _ in applied):
        raise CommandError(REFUSAL)
