"""`manage.py take_up_model COLLECTION`: use the installed version of its model."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import SYSTEM
from recognition.people.management.collections import collection_named
from recognition.people.services.reembedding import collection_take_up_model
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = "Embed the stored faces of a collection with the installed version of its model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("collection", help="name of the collection")

    def handle(self, *args: Any, collection: str, **options: Any) -> None:
        try:
            version = collection_take_up_model(
                collection=collection_named(collection), actor=SYSTEM, progress=self._tell
            )
        except ServiceError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{collection} now uses {version}.")

    def _tell(self, done: int, total: int) -> None:
        self.stdout.write(f"{done} of {total} faces")
        self.stdout.flush()
