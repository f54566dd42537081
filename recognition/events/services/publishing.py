"""Tell others about events: by notices, and about progress only by messages to open pages."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.notices.payloads import EventKind
from recognition.notices.publish import publish_event
from recognition.notices.services.notices import notice_write
from recognition.web.transactions import after_commit

# More events than a page shows at once.
MOST_TOLD = 100


def announce(event: Event, kind: EventKind) -> None:
    """Write a notice about an event, in the transaction that writes the event."""
    notice_write(kind, subject_id=event.pk, collection_id=event.collection_id)


def announce_progress(event: Event) -> None:
    """Tell open pages that a visit goes on with the same decision. Sent after the commit."""
    payload = {**event_payload(event), "kind": "updated"}
    after_commit(lambda: publish_event(payload, collection_id=event.collection_id))


def announce_changed(collection_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Write a notice, only for pages, that several events changed at once; `event_ids` are newest
    first. Webhooks get a notice about the person instead."""
    if newest := event_ids[:MOST_TOLD]:
        notice_write(
            "events.changed",
            subject_id=collection_id,
            collection_id=collection_id,
            related={"events": newest},
        )
