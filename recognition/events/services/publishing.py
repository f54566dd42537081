"""Telling those who watch about an event, once it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.notices.publish import publish_event
from recognition.web.transactions import after_commit

Kind = Literal["opened", "updated", "closed"]
# More than a page shows; whoever shows older ones reads them again.
MOST_TOLD = 100


def announce(event: Event, kind: Kind) -> None:
    """Within the transaction that wrote it; what is told is what was written."""
    _tell({**event_payload(event), "kind": kind}, event.collection_id)


def announce_newest(event_ids: Sequence[UUID]) -> None:
    """The same for events that were changed all at once, the newest of them."""
    rows = Event.objects.filter(pk__in=event_ids[:MOST_TOLD]).defer("vector")
    for event in rows.select_related("camera", "person"):
        announce(event, "updated")


def announce_deleted(event: Event) -> None:
    """Nothing but which one it was."""
    gone = {"id": str(event.pk), "collection": str(event.collection_id), "kind": "deleted"}
    _tell(gone, event.collection_id)


def _tell(payload: dict[str, Any], collection_id: UUID) -> None:
    after_commit(lambda: publish_event(payload, collection_id=collection_id))
