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

# Of the lease time: two renewals may fail before the lease lapses.
_RENEW_AT = 1 / 3


class DatabaseTime(Func):
    """The time in UTC on the database's clock, `plus_s` seconds later: the one clock that all
    processes share. SQLite counts in milliseconds, MySQL and MariaDB in microseconds (`Now()` is
    in the time zone of the session there)."""

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
    """What an owner's writes must name. `number` is higher than that of each earlier owner;
    `taken_s` is when it was asked for, on this machine's monotonic clock."""

    owner: str
    number: int
    taken_s: float = field(default_factory=time.monotonic, compare=False)


class LeaseLost(Exception):
    """Another process owns the row by now; what this one would write is refused."""


def free_or_lapsed(rows: QuerySet[L]) -> QuerySet[L]:
    """The rows that a process may take now."""
    return rows.filter(Q(owner="") | Q(lease_until__lt=DatabaseTime()))


def lapsed(rows: QuerySet[L]) -> QuerySet[L]:
    """The rows that their owner left without a word. Take them before closing what is left: the
    owner may still wake."""
    return rows.exclude(owner="").filter(lease_until__lt=DatabaseTime())


def take(rows: QuerySet[L], *, owner: str, **changes: Any) -> Lease | None:
    """Take the one row of `rows` for `owner` (a process id), with `changes` written at once.

    None if the row is another's, if it does not match `rows` any more, or if another process was
    faster. An owner does not take what it holds already. `rows` is filtered by its own columns
    alone, here and below (ValueError if not), and is not a slice.
    """
    plain = _without_joins(rows)

    def take_it() -> Lease | None:
        # A row that is locked is in use: it is not waited for.
        free = free_or_lapsed(plain).select_for_update(skip_locked=True)
        row = free.values_list("pk", "lease_number").first()
        if row is None:
            return None
        pk, number = row
        lease = Lease(owner, number + 1)
        # The filter on the old number makes this one winner, whatever the others read.
        mine = free_or_lapsed(plain.filter(pk=pk, lease_number=number))
        until = DatabaseTime(settings.LEASE_S)
        values = {"owner": owner, "lease_number": lease.number, "lease_until": until, **changes}
        return lease if mine.update(**values) else None

    return in_transaction(take_it)


def held_by(rows: QuerySet[L], lease: Lease) -> QuerySet[L]:
    """`rows` as far as they are still the owner's: filter for each conditional write. A lapsed
    lease that no other process took still counts."""
    return _without_joins(rows).filter(owner=lease.owner, lease_number=lease.number)


def lock_held(rows: QuerySet[L], lease: Lease) -> None:
    """Within a transaction: nobody takes the row before the transaction ends. For writes of an
    owner to other rows. LeaseLost if the row is another's."""
    if not held_by(rows, lease).select_for_update().values_list("pk").exists():
        raise LeaseLost


def renew(rows: QuerySet[L], lease: Lease, **changes: Any) -> bool:
    """Hold the row for LEASE_S from now, with `changes` written at once. False: it is lost."""
    until = DatabaseTime(settings.LEASE_S)
    mine = held_by(rows, lease)
    return bool(in_transaction(lambda: mine.update(lease_until=until, **changes)))


def release(rows: QuerySet[L], lease: Lease, **changes: Any) -> bool:
    """Give the row back, with `changes` written at once. False: it was lost before."""
    mine = held_by(rows, lease)
    return bool(in_transaction(lambda: mine.update(owner="", lease_until=None, **changes)))


def _without_joins(rows: QuerySet[L]) -> QuerySet[L]:
    """MySQL's UPDATE of rows with joins is two statements, of which the second asks for nothing
    but the primary key: it is no condition."""
    if sum(1 for used in rows.query.alias_refcount.values() if used) > 1:
        raise ValueError("Leases are written through the row's own columns, without joins.")
    return rows.order_by()


class Contact:
    """Whether a lapsed lease tells that its owner is gone. While the database is away nobody can
    renew: once it is back, living owners have LEASE_S to do so. For one thread, which asks the
    database several times within LEASE_S, and says how that went."""

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
        """The database has answered for LEASE_S: an owner that lives has renewed."""
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
        """Nobody else can own the row now, by this machine's clock: ask before what is not
        written to the database. False also while the database could not be reached for LEASE_S,
        or after this process was paused for so long."""
        return not self.is_lost and time.monotonic() - self.renewed_s < settings.LEASE_S

    def check(self) -> None:
        """LeaseLost if the row is known to be another's."""
        if self.is_lost:
            raise LeaseLost

    def drop(self) -> None:
        """Renew it no more. The row stays taken: see `release`."""
        self.is_dropped = True


class LeaseKeeper(Part):
    """One thread that renews the leases that this process holds, each third of LEASE_S. It starts
    with the first lease, and goes on while the database is away."""

    def __init__(self) -> None:
        self._kept: list[KeptLease] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(
        self, rows: QuerySet[Any], lease: Lease, on_lost: Callable[[], None] = lambda: None
    ) -> KeptLease:
        """Renew `lease` of the one row of `rows` until it is dropped or lost. `on_lost` is called
        in the keeper's thread, and must not wait."""
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
    # Before the statement: the lease lasts at least so long, however late the answer comes.
    began_s = time.monotonic()
    is_renewed = in_transaction(lambda: _renew_unless_locked(kept.rows, kept.lease))
    if is_renewed:
        kept.renewed_s = began_s
    elif is_renewed is False and not kept.is_dropped:
        kept.is_lost = True
        kept.on_lost()


def _renew_unless_locked(rows: QuerySet[Any], lease: Lease) -> bool | None:
    """None: a transaction of the owner holds the row, so nobody can take it. It is not waited
    for: other leases would lapse meanwhile."""
    mine = held_by(rows, lease)
    if not mine.select_for_update(skip_locked=True).values_list("pk").exists():
        return None if mine.exists() else False
    return renew(rows, lease)
