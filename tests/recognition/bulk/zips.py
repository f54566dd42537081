"""Small archives for tests, and imports of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.services.imports import import_create, import_finish
from recognition.bulk.services.uploads import upload_piece
from recognition.people.models import Collection
from tests.commits import committed
from tests.factories import ACTOR
from tests.fakes import photo

# Of an archive that is sent.
PIECE_BYTES = 2**23


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def people_zip(people: int = 3, photos: int = 2) -> bytes:
    """Folders Person_0, Person_1… with this many photos of each."""
    return zip_of(
        {
            f"Person_{person}/{looks}.jpg": photo(person + 1, looks=looks)
            for person in range(people)
            for looks in range(photos)
        }
    )


@committed()
def sent(collection: Collection, data: bytes, name: str = "people.zip") -> ImportRun:
    """An import whose archive has arrived, and that is not started yet."""
    run = import_create(collection=collection, name=name, size=len(data), actor=ACTOR)
    for offset in range(0, len(data), PIECE_BYTES):
        upload_piece(upload=run, offset=offset, data=data[offset : offset + PIECE_BYTES])
    return ImportRun.objects.get(pk=run.pk)


@committed()
def started(collection: Collection, data: bytes) -> ImportRun:
    return import_finish(run=sent(collection, data), actor=ACTOR)


def outcomes(run: ImportRun) -> dict[str, str]:
    """The code of each path; "pending" if it has none."""
    rows = ImportItem.objects.filter(run=run.pk).values_list("path", "code", "state")
    return {path: code or state for path, code, state in rows}
