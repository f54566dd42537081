"""`manage.py analyse COLLECTION PATH`: find the visits in videos and pictures of the disk."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import SYSTEM
from recognition.cameras.models import Camera
from recognition.events.models import Event, Recording
from recognition.events.services.recording_files import recording_bring, recordings_found
from recognition.events.services.recordings import recording_close
from recognition.jobs.foreground import run_here
from recognition.people.management.collections import collection_named
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = (
        "Analyse a video, or a folder of videos and pictures, as if it were seen live. Visits have "
        "the times of the files, unless --recorded-at says when a single video begins. Ctrl-C "
        "leaves the rest to the site's workers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("collection", help="its name or id")
        parser.add_argument("path", type=Path, help="a video or a folder")
        parser.add_argument("--camera", help="name of the camera to file events under")
        parser.add_argument(
            "--recorded-at", type=datetime.fromisoformat, help="such as 2026-01-31T08:00:00+01:00"
        )
        parser.add_argument("--min-face-px", type=int, default=40)
        parser.add_argument("--keep", action="store_true", help="keep the videos for a while")
        parser.add_argument("--no-wait", action="store_true", help="leave it to the site's workers")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            recordings = self._bring(options)
        except ServiceError as error:
            raise CommandError(error.message) from error
        if not options["no_wait"]:
            run_here(Recording.KIND, recordings, recording_close)
        for recording in recordings:
            recording.refresh_from_db()
            count = Event.objects.filter(stream=recording.stream_id).count()
            found = count if recording.stream_id else 0
            self.stdout.write(f"{recording.pk} {recording.name}: {found} visits")

    def _bring(self, options: dict[str, Any]) -> list[Recording]:
        collection = collection_named(options["collection"])
        camera = None
        if options["camera"]:
            camera = Camera.objects.filter(collection=collection, name=options["camera"]).first()
            if camera is None:
                raise CommandError("There is no such camera in this collection.")
        found = list(recordings_found(options["path"]))
        if not found:
            raise CommandError("There is no video and no picture.")
        at: datetime | None = options["recorded_at"]
        if at is not None and len(found) > 1:
            raise CommandError("--recorded-at is for one video.")
        return [
            recording_bring(
                found=one,
                collection=collection,
                camera=camera,
                recorded_at=at if at is None or at.tzinfo else at.replace(tzinfo=UTC),
                min_face_px=options["min_face_px"],
                is_kept=options["keep"],
                actor=SYSTEM,
            )
            for one in found
        ]
