"""Send the messages of one receiver in order and record each attempt, while holding its lease."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from recognition.notices.models import Attempt, Delivery, Receiver
from recognition.notices.payloads import TEST_KIND
from recognition.notices.sinks import relayed_sinks
from recognition.notices.sinks.base import NotSent, Outcome
from recognition.web.leases import (
    DatabaseTime,
    KeptLease,
    LeaseKeeper,
    LeaseLost,
    lock_held,
    release,
    take,
)
from recognition.web.process import process
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

# After this time the slot goes to another receiver that waits.
_SLICE_S = 10.0
# After a failed attempt nothing is sent to the receiver for 1 s, 2 s, 4 s, ... at most this long.
_LONGEST_REST_S = 60.0
_RECORD_AGAIN_S = 0.5
# Lengthen each pause by a random fraction up to this, so that a receiver that is back does not get
# all messages at once.
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class _Sent:
    """An attempt that is to be recorded."""

    receiver: Receiver
    delivery: Delivery
    outcome: Outcome


def serve_receiver(pk: int, stopped: threading.Event) -> None:
    """Send what is due for a receiver, until an attempt fails, nothing is due, or its time slice is
    over. Does nothing if another process holds the receiver."""
    rows = Receiver.objects.filter(pk=pk)
    lease = take(rows.filter(next_at__lte=DatabaseTime()), owner=process().id)
    if lease is None:
        return
    kept = process().part(LeaseKeeper).keep(rows, lease)
    try:
        until_s = time.monotonic() + _SLICE_S
        while not stopped.is_set() and time.monotonic() < until_s:
            if not _send_next(pk, kept, stopped):
                break
    except (LeaseLost, NotSent):
        logger.info("receiver %s was taken over by another process", pk)
    finally:
        kept.drop()
        release(rows, lease)


def _send_next(pk: int, kept: KeptLease, stopped: threading.Event) -> bool:
    """Send the next message. False if nothing is due or the attempt failed."""
    # None if the receiver was deleted or switched off a moment ago.
    receiver = Receiver.objects.filter(pk=pk, next_at__isnull=False).first()
    due = Delivery.objects.filter(
        receiver=pk, state=Delivery.State.PENDING, next_at__lte=DatabaseTime()
    )
    delivery = due.select_related("notice").order_by("next_at", "pk").first()
    if receiver is None or delivery is None:
        return False
    outcome = _attempt(receiver, delivery, kept)
    _record_patiently(_Sent(receiver, delivery, outcome), kept, stopped)
    return outcome.is_success


def _attempt(receiver: Receiver, delivery: Delivery, kept: KeptLease) -> Outcome:
    sink = relayed_sinks()[receiver.sink]
    try:
        return sink.send(receiver, delivery, may_send=lambda: kept.is_sure)
    except (NotSent, OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("delivery %s could not be sent", delivery.pk)
        return Outcome("failed", "The message could not be made; see the server's log.")


def _record_patiently(sent: _Sent, kept: KeptLease, stopped: threading.Event) -> None:
    """Record the attempt, and retry while the database is away: a message that was sent but not
    recorded is sent again."""
    while True:
        try:
            in_transaction(lambda: _record(sent, kept))
            return
        except (OperationalError, InterfaceError) as error:
            if not kept.is_sure or stopped.is_set():
                raise
            logger.warning("delivery %s is not recorded yet: %s", sent.delivery.pk, error)
            connections.close_all()
            stopped.wait(_RECORD_AGAIN_S)


def _record(sent: _Sent, kept: KeptLease) -> None:
    """LeaseLost if another process has taken over the receiver."""
    lock_held(kept.rows, kept.lease)
    delivery, outcome = sent.delivery, sent.outcome
    number = delivery.attempts + 1
    Attempt.objects.create(
        delivery=delivery,
        number=number,
        status=outcome.status,
        error=outcome.error,
        message=outcome.message[:200],
        duration_ms=outcome.duration_ms,
    )
    state, pause_s = _what_next(delivery, number, outcome)
    Delivery.objects.filter(pk=delivery.pk).update(
        state=state, attempts=number, next_at=DatabaseTime(pause_s)
    )
    if outcome.is_success:
        Receiver.objects.filter(pk=sent.receiver.pk).update(failures=0, failing_since=None)
    else:
        _note_failure(sent)


def _what_next(delivery: Delivery, number: int, outcome: Outcome) -> tuple[str, float]:
    """The new state, and the seconds until the next attempt."""
    if outcome.is_success:
        return Delivery.State.DELIVERED, 0.0
    pauses_s = [] if delivery.kind == TEST_KIND else settings.DELIVERY_RETRIES_S
    if number > len(pauses_s):
        return Delivery.State.FAILED, 0.0
    return Delivery.State.PENDING, pauses_s[number - 1] * random.uniform(1, 1 + _JITTER)


def _note_failure(sent: _Sent) -> None:
    receiver = Receiver.objects.get(pk=sent.receiver.pk)
    now = timezone.now()
    receiver.failures += 1
    receiver.failing_since = receiver.failing_since or now
    receiver.save(update_fields=["failures", "failing_since"])
    rest_s = min(2.0 ** (receiver.failures - 1), _LONGEST_REST_S)
    # `next_at` stays empty if the receiver was switched off meanwhile.
    on = Receiver.objects.filter(pk=receiver.pk, next_at__isnull=False)
    on.update(next_at=DatabaseTime(rest_s))
    if reason := _reason_to_stop(sent.outcome, now - receiver.failing_since):
        relayed_sinks()[receiver.sink].switch_off(receiver, reason)


def _reason_to_stop(outcome: Outcome, failing_for: timedelta) -> str:
    """Why to switch the receiver off; empty if sending should go on."""
    if outcome.off_reason:
        return outcome.off_reason
    hours = failing_for.total_seconds() / 3600
    if hours > settings.DELIVERY_OFF_AFTER_H:
        return f"All attempts failed for {hours:.0f} hours. The last one: {outcome.message}"
    return ""
