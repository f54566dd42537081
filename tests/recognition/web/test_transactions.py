"""A transaction that the database aborts is run again a few times."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction

from recognition.people.models import Collection, Person
from recognition.people.services.locks import lock_collection, lock_people
from recognition.web import transactions
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.transactions import ATTEMPTS, after_commit, in_transaction
from tests.commits import FailedSteps
from tests.factories import make_person

pytestmark = pytest.mark.django_db(transaction=True)

_DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions.random, "uniform", lambda *_: 0)


class _Failing:
    """Adds a person, and fails the first times."""

    def __init__(self, collection: Collection, error: Exception, times: int) -> None:
        self.collection, self.error, self.times = collection, error, times
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        Person.objects.create(collection=self.collection, name="Ann")
        if self.calls <= self.times:
            raise self.error
        return self.calls


@pytest.mark.parametrize(
    "error",
    [
        _DEADLOCK,
        OperationalError(1205, "Lock wait timeout"),
        OperationalError("database is locked"),
    ],
)
def test_transaction_is_repeated_after_a_deadlock(
    collection: Collection, error: OperationalError
) -> None:
    act = _Failing(collection, error, 2)
    assert in_transaction(act) == 3
    assert Person.objects.count() == 1, "of what broke off nothing stays"


def test_transaction_is_not_repeated_for_ever(collection: Collection) -> None:
    act = _Failing(collection, _DEADLOCK, 99)
    with pytest.raises(OperationalError):
        in_transaction(act)
    assert act.calls == ATTEMPTS
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    "error", [OperationalError(2006, "gone away"), ServiceError("x", "y"), ValueError()]
)
def test_in_transaction_raises_other_errors_at_once(
    collection: Collection, error: Exception
) -> None:
    act = _Failing(collection, error, 1)
    with pytest.raises(type(error)):
        in_transaction(act)
    assert act.calls == 1


def test_in_transaction_is_one_try_inside_another(collection: Collection) -> None:
    act = _Failing(collection, _DEADLOCK, 1)
    with pytest.raises(OperationalError), transaction.atomic():
        in_transaction(act)
    assert act.calls == 1


def test_locking_a_deleted_row_is_refused(person: Person) -> None:
    with transaction.atomic():
        assert lock_people([person.pk]) == [person]
        with pytest.raises(ServiceError, match="person"):
            lock_people([person.pk, uuid7()])
        with pytest.raises(ServiceError, match="collection"):
            lock_collection(uuid7())


@pytest.mark.skipif(connection.vendor != "mysql", reason="SQLite lets one writer in at a time")
def test_a_real_deadlock_is_survived(collection: Collection) -> None:
    """Two transactions that lock the same rows in opposite orders, again and again."""
    people = [make_person(collection), make_person(collection)]
    errors: list[Exception] = []
    start = threading.Barrier(2)

    def rename(order: list[Person]) -> None:
        def act() -> None:
            for person in order:
                row = Person.objects.select_for_update().get(pk=person.pk)
                time.sleep(0.01)
                row.name += "x"
                row.save()

        try:
            start.wait()
            for _ in range(5):
                in_transaction(act)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rename, args=(order,)) for order in (people, people[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for person in people:
        person.refresh_from_db()
        assert person.name.endswith("x" * 10)


def test_failing_step_after_commit_does_not_keep_later_steps(failed_steps: FailedSteps) -> None:
    done: list[str] = []

    def fail() -> None:
        raise OSError("a read-only folder")

    with transaction.atomic():
        after_commit(partial(done.append, "first"))
        after_commit(partial(fail))
        after_commit(partial(done.append, "last"))
    assert done == ["first", "last"]
    failed_steps.expect("a read-only folder")


def test_after_commit_is_the_only_place_that_waits_for_a_commit() -> None:
    """Django's `on_commit(robust=True)` is not robust for a `partial`."""
    root = Path(transactions.__file__).parent.parent
    users = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "transaction.on_commit(" in path.read_text()
    }
    assert users == {"web/transactions.py"}
