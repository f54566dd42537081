"""`manage.py bootstrap`: make what the site needs before it is served. Quick if all is there."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from accounts.administrators import administrator_ensure, new_password
from accounts.audit import SYSTEM
from facerec_site.boxes import password_box
from facerec_site.static_files import collect_changed
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection
from recognition.people.services.collections import collection_create

DEFAULT_COLLECTION = "Main"
DEFAULT_EMBEDDER = "mobilefacenet"


class Command(BaseCommand):
    help = "Bring the database up to date, and make the first administrator and collection."

    def handle(self, *args: object, **options: object) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        collect_changed()
        self._make_administrator()
        embedder = ensure_model_version(DEFAULT_EMBEDDER)
        if not Collection.objects.exists():
            collection_create(name=DEFAULT_COLLECTION, embedder=embedder, actor=SYSTEM)

    def _make_administrator(self) -> None:
        chosen = settings.ADMIN_PASSWORD
        password = chosen or new_password()
        try:
            user = administrator_ensure(password=password, actor=SYSTEM)
        except ValidationError as error:
            raise CommandError(f"ADMIN_PASSWORD: {' '.join(error.messages)}") from error
        # A password from the environment is known already.
        if user is not None and not chosen:
            self.stdout.write(password_box(user.username, password))
