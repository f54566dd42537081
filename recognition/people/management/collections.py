"""A collection as somebody names it on the command line."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import CommandError

from recognition.people.models import Collection


def collection_named(name: str) -> Collection:
    """By its name or its id; CommandError where there is none."""
    found = Collection.objects.filter(name=name).first()
    if found is None:
        try:
            found = Collection.objects.filter(pk=UUID(name)).first()
        except ValueError:
            found = None
    if found is None:
        raise CommandError(f"There is no collection {name!r}.")
    return found
