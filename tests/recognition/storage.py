"""The files in the folder of pictures, compared with the rows."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from recognition.bulk.models import ImportItem, Piece
from recognition.events.models import Clip, Event
from recognition.people.index import Gallery
from recognition.people.models import Collection, FaceImage, Template


def stored_files() -> set[str]:
    """The names of all files below MEDIA_ROOT."""
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def named_files() -> set[str]:
    """The names of files in rows."""
    rows = [
        *FaceImage.objects.values_list("file", "original"),
        *Event.objects.values_list("snapshot", "face"),
        *Clip.objects.values_list("file"),
        *Piece.objects.values_list("file"),
        *ImportItem.objects.values_list("picture"),
    ]
    return {name for row in rows for name in row if name}


def assert_consistent(collection: Collection, *galleries: Gallery) -> None:
    """Check that rows, files, templates and all galleries agree."""
    collection.refresh_from_db()
    assert stored_files() == named_files()
    templates = Template.objects.filter(collection=collection)
    images = FaceImage.objects.filter(person__collection=collection)
    assert set(templates.values_list("image_id", flat=True)) == set(
        images.values_list("pk", flat=True)
    )
    for gallery in galleries:
        gallery.follow(now=True)
        people = images.values("person_id").distinct().count()
        assert gallery.size == (people, templates.count())
        for template in templates:
            found = gallery.search(template.embedding, people=1)[0]
            assert found[0].person == template.image.person_id
            assert gallery.image_of(template.pk) == template.image_id
