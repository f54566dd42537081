"""Leases: one owner at a time, and an owner that wakes late changes nothing."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from recognition.jobs.models import Job
from recognition.web import leases
from recognition.web.leases import (
    DatabaseTime,
    KeptLease,
    Lease,
    LeaseKeeper,
    LeaseLost,
    free_or_lapsed,
    held_by,
    lapsed,
    lock_held,
    release,
    renew,
    take,
)
from recognition.web.process import process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def row(settings: Any) -> QuerySet[Job]:
    """One row that can be leased."""
    settings.LEASE_S = 30.0
    job = Job.objects.create(kind="test", run_after=timezone.now())
    return Job.objects.filter(pk=job.pk)


def expire(row: QuerySet[Job]) -> None:
    row.update(lease_until=DatabaseTime(-0.001))


def owned(row: QuerySet[Job], owner: str = "first") -> Lease:
    lease = take(row, owner=owner)
    assert lease is not None
    return lease


def wait_for(condition: Any, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_database_time_is_utc_in_any_time_zone_of_the_session(row: QuerySet[Job]) -> None:
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+05:30'")
    row.update(started_at=DatabaseTime(), ended_at=DatabaseTime(90.5))
    job = row.get()
    assert job.started_at is not None
    assert job.ended_at is not None
    assert abs(job.started_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(job.ended_at - job.started_at - timedelta(seconds=90.5)) < timedelta(seconds=0.01)


def test_database_time_compares_with_times_of_django(row: QuerySet[Job]) -> None:
    for whole in (0, 1):  # Django writes a time without microseconds in another length
        now = timezone.now().replace(microsecond=whole)
        row.update(started_at=now - timedelta(seconds=2))
        assert row.filter(started_at__lt=DatabaseTime()).exists()
        row.update(started_at=now + timedelta(seconds=10))
        assert not row.filter(started_at__lt=DatabaseTime()).exists()


def test_free_row_is_taken_by_one(row: QuerySet[Job]) -> None:
    lease = owned(row)
    assert (lease.owner, lease.number) == ("first", 1)
    assert take(row, owner="second") is None
    assert take(row, owner="first") is None
    assert not lapsed(row).exists()


def test_lease_taken_by_many_at_once_has_one_owner(row: QuerySet[Job]) -> None:
    won: list[Lease] = []
    barrier = threading.Barrier(6)

    def try_it(owner: str) -> None:
        barrier.wait()
        lease = take(Job.objects.filter(pk=pk), owner=owner)
        if lease is not None:
            won.append(lease)
        connections.close_all()

    pk = row.get().pk
    for turn in range(1, 6):
        threads = [threading.Thread(target=try_it, args=(f"p{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == turn
        assert row.get().lease_number == turn
        assert row.get().owner == won[-1].owner
        expire(row)
        barrier.reset()


def test_lapsed_lease_is_taken_with_a_higher_number(row: QuerySet[Job]) -> None:
    first = owned(row)
    expire(row)
    assert lapsed(row).exists()
    second = owned(row, "second")
    assert second.number == first.number + 1


def test_owner_that_wakes_late_writes_nothing(row: QuerySet[Job]) -> None:
    late = owned(row)
    expire(row)
    owned(row, "second")
    assert held_by(row, late).update(message="late") == 0
    assert not renew(row, late, message="late")
    assert not release(row, late, message="late")
    with transaction.atomic(), pytest.raises(LeaseLost):
        lock_held(row, late)
    job = row.get()
    assert (job.owner, job.message) == ("second", "")
    assert job.lease_until is not None


def test_same_owner_with_an_old_number_writes_nothing(row: QuerySet[Job]) -> None:
    old = owned(row)
    release(row, old)
    owned(row)
    assert held_by(row, old).update(message="old") == 0


def test_lapsed_lease_that_no_other_took_is_renewed(row: QuerySet[Job]) -> None:
    lease = owned(row)
    expire(row)
    assert renew(row, lease, message="still here")
    assert not lapsed(row).exists()
    assert take(row, owner="second") is None


def test_released_row_is_free_but_not_lapsed(row: QuerySet[Job]) -> None:
    assert release(row, owned(row), message="given back")
    assert free_or_lapsed(row).exists()
    assert not lapsed(row).exists()
    assert row.get().message == "given back"
    assert owned(row, "second").number == 2


def test_row_that_no_longer_matches_is_not_taken(row: QuerySet[Job]) -> None:
    queued = row.filter(state=Job.State.QUEUED)
    assert take(queued.filter(state=Job.State.DONE), owner="first") is None
    lease = take(queued, owner="first", state=Job.State.RUNNING)
    assert lease is not None
    expire(row)
    assert take(queued, owner="second") is None


def test_write_through_a_join_is_refused() -> None:
    from recognition.cameras.models import Camera

    rows: Any = Camera.objects.filter(collection__name="Main")
    with pytest.raises(ValueError, match="joins"):
        held_by(rows, Lease("first", 1))


def in_another_thread(act: Any) -> Any:
    """The result of `act`, called with a separate connection."""
    found: list[Any] = []

    def run() -> None:
        found.append(act())
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return found[0]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one writer in at a time")
def test_row_that_its_owner_is_writing_through_is_neither_taken_nor_waited_for(
    row: QuerySet[Job],
) -> None:
    lease = owned(row)
    expire(row)
    rows = Job.objects.filter(pk=row.get().pk)
    with transaction.atomic():
        lock_held(row, lease)
        assert in_another_thread(lambda: take(rows, owner="second")) is None
        row.update(message="written by the owner")
    assert in_another_thread(lambda: take(rows, owner="second")) is not None
    assert row.get().message == "written by the owner"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one writer in at a time")
def test_keeper_does_not_wait_for_a_row_that_its_owner_is_writing_through(
    row: QuerySet[Job], settings: Any
) -> None:
    settings.LEASE_S = 0.6
    other = Job.objects.create(kind="test", run_after=timezone.now())
    others = Job.objects.filter(pk=other.pk)
    keeper = process().part(LeaseKeeper)
    mine, second = owned(row), owned(others)
    kept = [keeper.keep(row, mine), keeper.keep(others, second)]
    with transaction.atomic():
        lock_held(row, mine)
        time.sleep(1.5)
        assert kept[1].is_sure
        assert not kept[0].is_lost
    wait_for(lambda: kept[0].is_sure)


def test_keeper_renews_until_it_is_dropped(row: QuerySet[Job], settings: Any) -> None:
    settings.LEASE_S = 0.6
    kept = process().part(LeaseKeeper).keep(row, owned(row))
    time.sleep(1.5)
    assert not lapsed(row).exists()
    assert kept.is_sure
    kept.check()
    kept.drop()
    wait_for(lapsed(row).exists)
    assert not kept.is_lost


def test_keeper_tells_of_a_lost_lease_once(row: QuerySet[Job], settings: Any) -> None:
    settings.LEASE_S = 0.3
    lost = threading.Event()
    kept = process().part(LeaseKeeper).keep(row, owned(row), on_lost=lost.set)
    row.update(owner="second", lease_number=2)
    assert lost.wait(5)
    assert not kept.is_sure
    with pytest.raises(LeaseLost):
        kept.check()
    wait_for(lambda: process().part(LeaseKeeper)._kept == [])


def test_keeper_goes_on_when_the_database_comes_back(
    row: QuerySet[Job], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_S = 0.3
    is_away = threading.Event()

    def renewing(*args: Any, **kwargs: Any) -> bool:
        if is_away.is_set():
            raise OperationalError(2006, "gone away")
        return renew(*args, **kwargs)

    monkeypatch.setattr(leases, "renew", renewing)
    kept = process().part(LeaseKeeper).keep(row, owned(row))
    is_away.set()
    wait_for(lambda: not kept.is_sure)
    assert not kept.is_lost
    is_away.clear()
    wait_for(lambda: kept.is_sure)
    assert not lapsed(row).exists()


def test_owner_that_was_paused_is_not_sure(row: QuerySet[Job], settings: Any) -> None:
    settings.LEASE_S = 0.1
    kept = KeptLease(row, owned(row), lambda: None)
    assert kept.is_sure
    time.sleep(0.15)
    assert not kept.is_sure


def test_lease_keeper_stops_within_its_time(row: QuerySet[Job]) -> None:
    keeper = process().part(LeaseKeeper)
    assert keeper.stop(0.1)
    keeper = LeaseKeeper()
    keeper.keep(row, owned(row))
    assert keeper.stop(5)
