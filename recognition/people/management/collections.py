"""Finds the collection that a command line names."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import CommandError

from recognition.people.models import Collection


def collection_named(name: str) -> Collection:
    """Finds a collection by name or id; CommandError if there is none."""
    found = Collection.objects.filter(name=name).first()
    if found is None:
        try:
            found = Collection.objects.filter(pk=UUID(name)).first()
        except ValueError:
            found = None
    if found is None:
        raise CommandError(f"There is no collection {name!r}.")
    return found
