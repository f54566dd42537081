"""End streams: by their own process, or by another one if their process is gone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from recognition.cameras.models import Stream
from recognition.cameras.services.streams import stream_finish
from recognition.events.models import Event
from recognition.events.services.clips import clips_lose_of_stream
from recognition.events.services.publishing import announce
from recognition.web.leases import Lease, lapsed, lock_held, take
from recognition.web.process import process
from recognition.web.transactions import in_transaction

# Most streams in one round; the next round takes the others.
_MOST_AT_ONCE = 50
# Streams without events are kept for this time.
_KEPT = timedelta(days=7)


def stream_end(*, stream_id: UUID, lease: Lease) -> int:
    """End the stream and its open visits; returns how many were open. LeaseLost if another process
    owns the stream."""

    def end() -> int:
        # Lock the stream last: until then its lease can be renewed.
        rows = Event.objects.select_for_update().filter(stream=stream_id, is_open=True)
        left = list(rows.defer("vector").order_by("pk"))
        streams = Stream.objects.filter(pk=stream_id)
        lock_held(streams, lease)
        Event.objects.filter(pk__in=[event.pk for event in left]).update(is_open=False)
        for event in left:
            announce(event, "event.closed")
        stream_finish(streams.get(), lease)
        return len(left)

    return in_transaction(end)


def streams_end_lapsed() -> int:
    """End the streams whose process is gone without ending them; returns how many visits were open.
    Streams of this process are left out: it may have been paused, and goes on."""
    mine = process().id
    left = lapsed(Stream.objects.exclude(owner=mine)).order_by("lease_until")
    closed = 0
    for pk in list(left.values_list("pk", flat=True)[:_MOST_AT_ONCE]):
        if (lease := take(Stream.objects.filter(pk=pk), owner=mine)) is not None:
            closed += stream_end(stream_id=pk, lease=lease)
            clips_lose_of_stream(pk)
    return closed


def streams_prune() -> int:
    """Delete old streams that have ended and have no events; returns their number."""
    old = Stream.objects.filter(ended_at__lt=timezone.now() - _KEPT, events=None)
    return Stream.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:5000])).delete()[0]
