"""Remove picture files that no row names, such as after a crash or a failed removal."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings

from recognition.events.models import Clip, Event
from recognition.people.models import FaceImage
from recognition.web.files import remove

logger = logging.getLogger(__name__)

# A file is written some seconds, with retries, before its row. Younger files are never removed.
GRACE_S = 600.0
_FOLDERS = ("faces", "originals", "events", "clips")
_BATCH = 500
# A crash leaves only a few files. With the wrong database, most files belong to no row.
_FEW = 50


def sweep_orphans(*, grace_s: float = GRACE_S) -> int:
    """Remove picture files that no row names and that are older than `grace_s`; returns their
    number.

    Only files whose name begins with an id are removed; other files stay. If there are many such
    files, and more than half of all files, the folder belongs to another database, and nothing is
    removed.
    """
    old = [name for name in _old_files(time.time() - grace_s) if _owner(name) is not None]
    orphans: list[str] = []
    for start in range(0, len(old), _BATCH):
        orphans += _orphans(old[start : start + _BATCH])
    if len(orphans) > _FEW and 2 * len(orphans) > len(old):
        logger.error(
            "%d of %d picture files in %s are in no row of this database: none is removed. "
            "Is it the right database, or the right folder?",
            len(orphans),
            len(old),
            settings.MEDIA_ROOT,
        )
        return 0
    remove(orphans)
    if orphans:
        logger.info("removed %d picture files that no row names", len(orphans))
    return len(orphans)


def _orphans(names: list[str]) -> list[str]:
    """The files that no row names."""
    owners = {owner for name in names if (owner := _owner(name)) is not None}
    named: set[str] = set()
    for row in FaceImage.objects.filter(pk__in=owners).values_list("file", "original"):
        named.update(row)
    for row in Event.objects.filter(pk__in=owners).values_list("snapshot", "face"):
        named.update(row)
    named.update(Clip.objects.filter(pk__in=owners).values_list("file", flat=True))
    return [name for name in names if name not in named]


def _old_files(before: float) -> Iterator[str]:
    root = Path(settings.MEDIA_ROOT)
    for folder in _FOLDERS:
        for path in (root / folder).rglob("*"):
            try:
                if path.is_file() and path.stat().st_mtime < before:
                    yield str(path.relative_to(root))
            except FileNotFoundError:  # removed meanwhile
                continue


def _owner(name: str) -> UUID | None:
    """The id at the start of the file name; None if there is none."""
    try:
        return UUID(Path(name).name[:36])
    except ValueError:
        return None
