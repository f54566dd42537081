"""Telling others about events: what they may rely on as notices, progress to open pages alone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.notices.payloads import EventKind
from recognition.notices.publish import publish_event
from recognition.notices.services.notices import notice_write
from recognition.web.transactions import after_commit

# More than a page shows; a page that shows older ones reads them again.
MOST_TOLD = 100


def announce(event: Event, kind: EventKind) -> None:
    """Within the transaction that wrote it."""
    notice_write(kind, subject_id=event.pk, collection_id=event.collection_id)


def announce_progress(event: Event) -> None:
    """An open visit goes on, and nothing was decided anew; what is told is what was written."""
    payload = {**event_payload(event), "kind": "updated"}
    after_commit(lambda: publish_event(payload, collection_id=event.collection_id))


def announce_changed(collection_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Events that were changed all at once, the newest first: pages that show them follow. Others
    are told what happened to the person."""
    if newest := event_ids[:MOST_TOLD]:
        notice_write(
            "events.changed",
            subject_id=collection_id,
            collection_id=collection_id,
            related={"events": newest},
        )
