"""Who owns a running thing: a row with a lease, on the clock of the database.

The owner renews the lease while it works. If it stops (killed, paused, cut off), the lease lapses
and another process may take the row. Each owner has a higher lease number than the one before it,
and every write of an owner asks for both, so that an owner that wakes late changes nothing:

    lease = take(Camera.objects.filter(pk=camera.pk), owner=process().id)
    if lease is not None:  # else another process owns the row
        kept = process().part(LeaseKeeper).keep(Camera.objects.filter(pk=camera.pk), lease)
        ...
        held_by(Camera.objects.filter(pk=camera.pk), lease).update(status="running")  # 0: lost
        ...
        kept.drop()
        release(Camera.objects.filter(pk=camera.pk), lease)
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, NotSupportedError, connections, models
from django.db.models import Func, Q, QuerySet

from recognition.web.process import Part
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

# Renew after this fraction of LEASE_S, so that two renewals may fail before the lease lapses.
_RENEW_AT = 1 / 3


class DatabaseTime(Func):
    """The time in UTC on the database's clock, `plus_s` seconds later: the only clock that all
    processes share. SQLite counts in milliseconds, MySQL and MariaDB in microseconds (their `Now()`
    is in the time zone of the session)."""

    output_field = models.DateTimeField()

    def __init__(self, plus_s: float = 0.0) -> None:
        super().__init__()
        self.plus_s = plus_s

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        raise NotSupportedError("Leases are written for SQLite, MySQL and MariaDB.")

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        # Six digits, as Django writes a time: times are compared as text.
        now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s)"
        return f"({now} || '000')", [f"{self.plus_s:+.3f} seconds"]

    def as_mysql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        return "(UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND)", [round(self.plus_s * 1e6)]


class Leased(models.Model):
    """A row that one process at a time owns. `owner` is empty while the row is free."""

    owner = models.CharField(max_length=128, blank=True, default="", editable=False)
    lease_number = models.PositiveBigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


L = TypeVar("L", bound=Leased)


@dataclass(frozen=True, slots=True)
class Lease:
    """The condition for an owner's writes. `number` is higher than that of each earlier owner;
    `taken_s` is the time of the request on this machine's monotonic clock."""

    owner: str
    number: int
    taken_s: float = field(default_factory=time.monotonic, compare=False)


class LeaseLost(Exception):
    """Another process owns the row now; writes of this one are refused."""


def free_or_lapsed(rows: QuerySet[L]) -> QuerySet[L]:
    """The rows that a process may take now."""
    return rows.filter(Q(owner="") | Q(lease_until__lt=DatabaseTime()))


def lapsed(rows: QuerySet[L]) -> QuerySet[L]:
    """Rows whose owner stopped without releasing them. Take them before closing their open work:
    the owner may still wake."""
    return rows.exclude(owner="").filter(lease_until__lt=DatabaseTime())


def take(rows: QuerySet[L], *, owner: str, **changes: Any) -> Lease | None:
    """Take the one row of `rows` for `owner` (a process id), and write `changes` in the same
    statement.

    None if another process owns the row or was faster, or if the row no longer matches `rows`. An
    owner does not take a row that it already holds. `rows` is filtered by its own columns only,
    here and below (ValueError otherwise), and is not a slice.
    """
    plain = _without_joins(rows)

    def take_it() -> Lease | None:
        # A locked row is in use: do not wait for it.
        free = free_or_lapsed(plain).select_for_update(skip_locked=True)
        row = free.values_list("pk", "lease_number").first()
        if row is None:
            return None
        pk, number = row
        lease = Lease(owner, number + 1)
        # The filter on the old number makes this process the only winner, whatever others read.
        mine = free_or_lapsed(plain.filter(pk=pk, lease_number=number))
        until = DatabaseTime(settings.LEASE_S)
        values = {"owner": owner, "lease_number": lease.number, "lease_until": until, **changes}
        return lease if mine.update(**values) else None

    return in_transaction(take_it)


def held_by(rows: QuerySet[L], lease: Lease) -> QuerySet[L]:
    """The part of `rows` that this owner still holds: the filter for its conditional writes. A
    lapsed lease that no other process took still counts."""
    return _without_joins(rows).filter(owner=lease.owner, lease_number=lease.number)


def lock_held(rows: QuerySet[L], lease: Lease) -> None:
    """Within a transaction: no other process takes the row before the transaction ends. For an
    owner's writes to other rows. LeaseLost if another process owns the row."""
    if not held_by(rows, lease).select_for_update().values_list("pk").exists():
        raise LeaseLost


def renew(rows: QuerySet[L], lease: Lease, **changes: Any) -> bool:
    """Extend the lease by LEASE_S from now, and write `changes`. False if it is lost."""
    until = DatabaseTime(settings.LEASE_S)
    mine = held_by(rows, lease)
    return bool(in_transaction(lambda: mine.update(lease_until=until, **changes)))


def release(rows: QuerySet[L], lease: Lease, **changes: Any) -> bool:
    """Free the row, and write `changes`. False if the lease was lost before."""
    mine = held_by(rows, lease)
    return bool(in_transaction(lambda: mine.update(owner="", lease_until=None, **changes)))


def _without_joins(rows: QuerySet[L]) -> QuerySet[L]:
    """Refuse joins: MySQL runs an UPDATE with joins as two statements, and the second one filters
    by the primary key only."""
    if sum(1 for used in rows.query.alias_refcount.values() if used) > 1:
        raise ValueError("Leases are written through the row's own columns, without joins.")
    return rows.order_by()


class Contact:
    """Tells whether a lapsed lease means that its owner is gone. While the database is away no
    process can renew; once it is back, live owners have LEASE_S to do so. For one thread, which
    queries the database several times within LEASE_S and reports the results."""

    def __init__(self) -> None:
        self._made_s = time.monotonic()
        self._broken_s = -math.inf

    def made(self) -> None:
        """The database answered."""
        now = time.monotonic()
        if now - self._made_s > settings.LEASE_S / 2:
            self._broken_s = now
        self._made_s = now

    def failed(self) -> None:
        self._broken_s = time.monotonic()

    @property
    def is_steady(self) -> bool:
        """True if the database has answered for LEASE_S, so that each live owner has renewed."""
        return time.monotonic() - self._broken_s > settings.LEASE_S


class KeptLease:
    """A lease that a `LeaseKeeper` renews."""

    def __init__(self, rows: QuerySet[Any], lease: Lease, on_lost: Callable[[], None]) -> None:
        self.rows = rows
        self.lease = lease
        self.on_lost = on_lost
        self.is_lost = False
        self.is_dropped = False
        self.renewed_s = lease.taken_s

    @property
    def is_sure(self) -> bool:
        """True if no other process can own the row now, by this machine's clock; check it before
        effects outside the database. False also if the database was away for LEASE_S, or this
        process was paused for that time."""
        return not self.is_lost and time.monotonic() - self.renewed_s < settings.LEASE_S

    def check(self) -> None:
        """LeaseLost if another process is known to own the row."""
        if self.is_lost:
            raise LeaseLost

    def drop(self) -> None:
        """Stop renewing the lease. The row stays taken until `release` or until it lapses."""
        self.is_dropped = True


class LeaseKeeper(Part):
    """One thread that renews the leases of this process, each after a third of LEASE_S. It starts
    with the first lease, and continues while the database is away."""

    def __init__(self) -> None:
        self._kept: list[KeptLease] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(
        self, rows: QuerySet[Any], lease: Lease, on_lost: Callable[[], None] = lambda: None
    ) -> KeptLease:
        """Renew `lease` of the one row of `rows` until it is dropped or lost. `on_lost` runs in the
        keeper's thread and must not wait."""
        kept = KeptLease(rows, lease, on_lost)
        with self._lock:
            self._kept.append(kept)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        return kept

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.wait(settings.LEASE_S * _RENEW_AT):
            with self._lock:
                self._kept = [k for k in self._kept if not (k.is_dropped or k.is_lost)]
                kept = list(self._kept)
            self._renew_all(kept)
        connections.close_all()

    def _renew_all(self, kept: list[KeptLease]) -> None:
        try:
            for one in kept:
                if not one.is_dropped:
                    _renew_one(one)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("leases could not be renewed: %s", error)
            connections.close_all()
        except Exception:
            logger.exception("leases could not be renewed")
            connections.close_all()


def _renew_one(kept: KeptLease) -> None:
    # Read the clock before the statement: the lease lasts at least this long, even after a late
    # answer.
    began_s = time.monotonic()
    is_renewed = in_transaction(lambda: _renew_unless_locked(kept.rows, kept.lease))
    if is_renewed:
        kept.renewed_s = began_s
    elif is_renewed is False and not kept.is_dropped:
        kept.is_lost = True
        kept.on_lost()


def _renew_unless_locked(rows: QuerySet[Any], lease: Lease) -> bool | None:
    """None if a transaction of the owner locks the row, so that no process can take it. Does not
    wait for the lock: other leases would lapse meanwhile."""
    mine = held_by(rows, lease)
    if not mine.select_for_update(skip_locked=True).values_list("pk").exists():
        return None if mine.exists() else False
    return renew(rows, lease)
