from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recognition.people.index import Gallery
from recognition.people.models import Collection, GallerySnapshot
from tests.factories import add_people
from tests.ml_engine.vectors import people

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def row(collection: Collection, settings: Any) -> GallerySnapshot:
    settings.GALLERY_SNAPSHOT_FROM = 1
    Collection.objects.update(search_kind="int8")
    add_people(collection, *people(4, 1, 192))
    Gallery(collection).follow()
    return GallerySnapshot.objects.get()


def test_snapshots_command_lists_and_writes_again(
    row: GallerySnapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("snapshots", "write")
    told = capsys.readouterr().out
    assert "1 written." in told and f"{row.folder}  {row.collection.name}" in told
    assert "4 templates at revision" in told
    assert GallerySnapshot.objects.get().name not in ("", row.name)


def test_snapshots_command_forgets_a_lost_folder(row: GallerySnapshot) -> None:
    with pytest.raises(CommandError, match="no snapshot in a folder"):
        call_command("snapshots", "forget", "another")
    call_command("snapshots", "forget", row.folder)
    assert not GallerySnapshot.objects.exists()
