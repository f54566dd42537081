"""`manage.py snapshots list | write | forget FOLDER`: the snapshots of large galleries."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recognition.people.index.snapshots import snapshots_rewrite
from recognition.people.models import GallerySnapshot


class Command(BaseCommand):
    help = "Lists the snapshots of large galleries, or writes them again, or forgets lost ones."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="All snapshots, with the marks of their folders.")
        actions.add_parser("write", help="Write those of this folder again.")
        forget = actions.add_parser(
            "forget", help="A folder of a machine that is gone: erasures no longer wait for it."
        )
        forget.add_argument("folder", help="Its mark.")

    def handle(self, *args: object, action: str, folder: str = "", **options: object) -> None:
        if action == "write":
            self.stdout.write(f"{snapshots_rewrite()} written.")
        lost = GallerySnapshot.objects.filter(folder=folder)
        if action == "forget" and not lost.delete()[0]:
            raise CommandError(f"There is no snapshot in a folder {folder!r}.")
        for row in GallerySnapshot.objects.select_related("collection", "model"):
            state = f"{row.templates} templates at revision {row.revision}" if row.name else "none"
            told = f"{row.folder}  {row.collection.name}, {row.model.version}: {state}"
            self.stdout.write(f"{told}. {row.problem}".rstrip())
