"""`manage.py demo`: sample data, so that the main job can be seen without a camera."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.audit import SYSTEM
from ml_engine.types import EngineError
from ml_engine.zoo import fetch
from recognition.cameras.services.demo import COLLECTION_NAME, PERSON_NAME, demo_ensure
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = "Enrol a sample person, and play a video of them and of a stranger as a camera."

    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write("Demo: looking at the sample photographs; the engine takes a moment.")
        try:
            photos = fetch("samples", settings.WEIGHTS_DIR)
            camera = demo_ensure(photos=photos, actor=SYSTEM)
        except (EngineError, ServiceError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Demo: {PERSON_NAME} is enrolled in the collection {COLLECTION_NAME}; the camera "
            f"{camera.name!r} "
            "shows him, and a stranger."
        )
