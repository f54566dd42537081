"""The log of gallery changes, which every process follows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Max, Min
from django.utils import timezone

from recognition.people.index.process import follow_now
from recognition.people.models import Collection, GalleryChange, GallerySnapshot
from recognition.web.transactions import after_commit

_KEPT = timedelta(hours=1)


def note_changes(collection: Collection, template_ids: Iterable[int]) -> None:
    """Log, within the caller's transaction, that these templates were added, deleted or moved to
    another person, or that data of their person changed.

    Locks the collection's row until the commit, so that revisions become visible in order. The
    caller must not search the gallery before the commit: the gallery would adopt a revision that
    may be rolled back.
    """
    templates = sorted(set(template_ids))
    if not templates:
        return
    mine = Collection.objects.filter(pk=collection.pk)
    mine.update(gallery_revision=F("gallery_revision") + 1)
    revision = mine.values_list("gallery_revision", flat=True).get()
    GalleryChange.objects.bulk_create(
        [
            GalleryChange(collection_id=collection.pk, revision=revision, template_id=template)
            for template in templates
        ],
        batch_size=1000,
    )
    after_commit(lambda: follow_now(collection.pk))


def oldest_change_s(collection_id: UUID, *, after: int) -> float:
    """Age in seconds of the first change after this revision. If that has been deleted, it is at
    least the time that changes are kept."""
    changes = GalleryChange.objects.filter(collection=collection_id, revision__gt=after)
    at = changes.order_by("revision").values_list("created_at", flat=True).first()
    return max(0.0, (timezone.now() - at if at else _KEPT).total_seconds())


def changes_prune() -> int:
    """Delete old entries of the log; a process that still needed one loads everything.

    Deletes whole revisions only: a process would take a part of a revision for the whole. Keeps
    those after a snapshot, which is of no use without them.
    """
    old = GalleryChange.objects.filter(created_at__lt=timezone.now() - _KEPT)
    last = dict(old.values_list("collection").annotate(Max("revision")))
    used = GallerySnapshot.objects.exclude(name="", owner="")
    kept = dict(used.values_list("collection").annotate(Min("revision")))
    return sum(
        GalleryChange.objects.filter(
            collection=pk, revision__lte=min(revision, kept.get(pk, revision))
        ).delete()[0]
        for pk, revision in last.items()
    )
