"""`manage.py train_decider COLLECTION`: train the SVM of a collection on the people enrolled
now."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import SYSTEM
from recognition.people.management.collections import collection_named
from recognition.people.models import Collection
from recognition.people.services.deciders import decider_train
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = "Train the linear SVM of a collection, which decides if its decider is `svm`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("collection", help="Name or id of the collection.")

    def handle(self, *args: object, **options: object) -> None:
        collection = collection_named(str(options["collection"]))
        try:
            trained = decider_train(collection=collection, actor=SYSTEM)
        except ServiceError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"The SVM of {collection.name} knows {trained.people} people "
            f"by {trained.templates} images."
        )
        if collection.decider != Collection.Decider.SVM:
            self.stdout.write(
                f"The collection does not use it: its decider is {collection.decider}."
            )
