"""Write notices in the transaction of the change that they tell, and delete old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from recognition.notices.models import Delivery, Notice, Receiver
from recognition.notices.payloads import NOTICE_KINDS, NoticeKind, PageKind
from recognition.notices.sinks import relayed_sinks
from recognition.web.metrics import count
from recognition.web.transactions import after_commit

# Pages read a notice within this time, and a reader of the log can see what a delivery was about.
_NOTICES_KEPT = timedelta(days=1)
_BATCH = 1000


def notice_write(
    kind: NoticeKind | PageKind,
    *,
    subject_id: UUID,
    collection_id: UUID | None,
    related: Mapping[str, Iterable[UUID]] | None = None,
) -> None:
    """Write a notice about the change of this transaction; sinks get it after the commit.
    `related`: lists of other ids, by name.

    RuntimeError outside of a transaction, because the notice and the change must be committed
    together.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A notice is written in the transaction of what it tells.")
    after_commit(partial(count, "facerec_notices_total", kind))
    notice = Notice.objects.create(
        kind=kind,
        subject_id=subject_id,
        collection_id=collection_id,
        related={name: [str(one) for one in ids] for name, ids in (related or {}).items()},
    )
    if kind in NOTICE_KINDS:
        Delivery.objects.bulk_create(
            Delivery(kind=kind, notice=notice, receiver_id=receiver)
            for sink in relayed_sinks().values()
            for receiver in sink.receivers_of(notice)
        )


def notices_prune() -> int:
    """Delete deliveries older than DELIVERIES_KEPT_DAYS, including those that never succeeded, and
    notices older than a day that no delivery waits for. Returns the number of deleted rows."""
    now = timezone.now()
    kept = timedelta(days=settings.DELIVERIES_KEPT_DAYS)
    receivers = Receiver.objects.filter(pk=OuterRef("receiver"))
    waiting = Delivery.objects.filter(notice=OuterRef("pk"), state=Delivery.State.PENDING)
    return (
        _delete(Delivery.objects.filter(created_at__lt=now - kept))
        # A webhook may be deleted while a notice is written for it.
        + _delete(Delivery.objects.filter(~Exists(receivers)))
        + _delete(Notice.objects.filter(~Exists(waiting), created_at__lt=now - _NOTICES_KEPT))
    )


def _delete(rows: QuerySet) -> int:
    """Delete in batches, so that transactions and lists stay small even if there are many rows."""
    count = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        count += len(ids)
        rows.model.objects.filter(pk__in=ids).delete()
    return count
