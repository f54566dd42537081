"""`manage.py password [USERNAME]`: set a new password for a user who cannot sign in any more."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.administrators import administrator_find, new_password, password_set
from accounts.audit import SYSTEM
from facerec_site.boxes import password_box


class Command(BaseCommand):
    help = "Set a new password (ADMIN_PASSWORD, or a random one that is shown once)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="", help="The first administrator.")

    def handle(self, *args: object, username: str, **options: object) -> None:
        user = administrator_find(username)
        if user is None:
            wanted = f"user {username!r}" if username else "administrator"
            raise CommandError(f"There is no {wanted} yet; `make run` makes the first one.")
        password = settings.ADMIN_PASSWORD or new_password()
        try:
            password_set(user=user, password=password, actor=SYSTEM)
        except ValidationError as error:
            raise CommandError(f"ADMIN_PASSWORD: {' '.join(error.messages)}") from error
        if settings.ADMIN_PASSWORD:
            self.stdout.write(f"{user.username} has the password of ADMIN_PASSWORD now.")
        else:
            self.stdout.write(password_box(user.username, password))
