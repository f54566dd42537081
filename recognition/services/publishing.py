"""Telling those who watch about an event, once it is committed."""

from __future__ import annotations

from functools import partial
from typing import Literal

from django.db import transaction

from recognition.models import Event
from recognition.payloads import event_payload
from recognition.publish import publish_event

Kind = Literal["opened", "updated", "closed"]


def announce(event: Event, kind: Kind) -> None:
    """Within the transaction that wrote it; what is told is what was written."""
    payload = {**event_payload(event), "kind": kind}
    tell = partial(publish_event, payload, collection_id=event.collection_id)
    transaction.on_commit(tell, robust=True)
