"""Hubs as rows: which process receives the pictures of all cameras of one kind on its machine."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from recognition.cameras.models import CameraHub
from recognition.web.leases import Lease, held_by, release, take
from recognition.web.process import process
from recognition.web.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class OwnHub:
    """A hub that this process holds, with the lease that its writes must name."""

    kind: str
    rows: QuerySet[CameraHub]
    lease: Lease


def hub_take(kind: str, *, may_be_lapsed: bool) -> OwnHub | None:
    """The hub of this machine; None if another process holds it. may_be_lapsed: also take it from a
    process that stopped renewing its lease."""
    row, _ = CameraHub.objects.get_or_create(kind=kind, node=process().node)
    rows = CameraHub.objects.filter(pk=row.pk)
    free = rows if may_be_lapsed else rows.filter(owner="")
    # What the owner before saw may be long gone.
    lease = take(free, owner=process().id, strangers={})
    return None if lease is None else OwnHub(kind, rows, lease)


def hub_show(hub: OwnHub, strangers: dict[str, int]) -> None:
    """Store which senders are no cameras."""
    mine = held_by(hub.rows, hub.lease)
    in_transaction(lambda: mine.update(strangers=strangers))


def hub_give_back(hub: OwnHub) -> None:
    """Another process may listen."""
    release(hub.rows, hub.lease)
