"""A process that is killed in the middle of its work, and the state that it leaves."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings

from recognition.events.services.orphans import sweep_orphans
from recognition.people.index import Gallery
from recognition.people.models import Collection, FaceImage, Person
from tests.databases import database_url
from tests.programs import Program
from tests.recognition.storage import assert_consistent

pytestmark = pytest.mark.django_db(transaction=True)

_PROGRAM = "tests.recognition.people.services.enrol_until_killed"


def _start(person: Person, first: int) -> Program:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "FACEREC_VAR": str(Path(settings.MEDIA_ROOT).parent),
    }
    return Program(_PROGRAM, str(person.pk), str(first), environment=environment)


def test_no_acknowledged_picture_is_lost_and_nothing_is_half_there(
    person: Person, collection: Collection
) -> None:
    gallery = Gallery(collection)
    assert gallery.size == (0, 0)
    told: set[UUID] = set()
    for turn in range(3):
        process = _start(person, 1000 * turn)
        for _ in range(4):
            told.add(UUID(process.stdout.readline().strip()))
        time.sleep(0.003 * turn)  # another place in the middle of the next one
        process.kill()
        told.update(UUID(line.strip()) for line in process.stdout if len(line) > 36)
        process.wait()
        process.stdout.close()

    sweep_orphans(grace_s=0)

    stored = set(FaceImage.objects.values_list("pk", flat=True))
    assert told <= stored
    # The last picture of each process may be stored without having been printed.
    assert len(stored) <= len(told) + 3
    assert_consistent(collection, gallery)
