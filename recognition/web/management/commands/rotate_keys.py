"""`manage.py rotate_keys`: encrypt every stored secret with the first key of FIELD_KEYS."""

from __future__ import annotations

from contextlib import suppress

from django.core.management.base import BaseCommand, CommandError
from django.db import models

from recognition.web.encrypted import (
    Secret,
    SecretUnreadable,
    stored_secrets,
    unreadable_secrets,
)


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the first key of FIELD_KEYS. Afterwards the other keys "
        "can be removed. It may be run again, and while the site runs."
    )

    def handle(self, *args: object, **options: object) -> None:
        done = 0
        for row, name in stored_secrets():
            with suppress(SecretUnreadable):
                done += _rotate(row, name)
        self.stdout.write(f"Encrypted with the first key: {done}.")
        if unreadable := unreadable_secrets():
            rows = ", ".join(unreadable)
            raise CommandError(f"Encrypted with a key that is not in FIELD_KEYS: {rows}.")


def _rotate(row: models.Model, name: str) -> int:
    """1, or 0 if the value was changed meanwhile, and so is encrypted with the first key."""
    before: Secret = getattr(row, name)
    same = type(row)._default_manager.filter(pk=row.pk, **{name: before})
    return same.update(**{name: before.rotated()})
