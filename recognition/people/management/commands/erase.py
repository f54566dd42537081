"""`manage.py erase PERSON`: erase all data of a person, like the admin and REST."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import SYSTEM
from recognition.people.models import Person
from recognition.people.services.persons import person_erase


class Command(BaseCommand):
    help = "Erase all data of a person. Open pages and webhooks get a notice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", type=UUID, help="The id of the person.")

    def handle(self, *args: object, person: UUID, **options: object) -> None:
        row = Person.objects.filter(pk=person).first()
        if row is None:
            raise CommandError(f"There is no person {person}.")
        counts = person_erase(person=row, actor=SYSTEM)
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        self.stdout.write(f"Erased: {told}.")
