"""Imports and exports as rows, without jobs."""

from __future__ import annotations

import zipfile
from io import BufferedWriter
from typing import cast

from django.core.files.base import ContentFile

from recognition.bulk.models import Archive, Export, ImportItem, ImportRun
from recognition.bulk.services.archives import ArchiveWriter
from recognition.people.models import Collection
from recognition.web.identifiers import uuid7
from tests.commits import committed
from tests.fakes import photo


def make_refused_item(collection: Collection) -> ImportItem:
    """The only photo of an import that is over. A user may overrule its refusal."""
    run = ImportRun.objects.create(
        collection=collection, name="a.zip", state=ImportRun.State.OVER, is_planned=True
    )
    item = ImportItem(
        run=run,
        number=0,
        path="New/1.jpg",
        person_key="folder:New",
        who={"name": "New"},
        state=ImportItem.State.REFUSED,
        code="several_faces",
    )
    item.picture_id = uuid7()
    item.picture.save("", ContentFile(photo(30, 31)), save=False)
    item.save()
    return item


@committed()
def make_export(collection: Collection) -> Export:
    archive = Archive.objects.create(size=2**20)
    writer = ArchiveWriter(archive)
    with zipfile.ZipFile(cast("BufferedWriter", writer), "w") as file:
        file.writestr("collection.json", b"{}")
    writer.finish()
    return Export.objects.create(
        collection=collection, archive=archive, is_complete=True, created_by="user:tester"
    )
