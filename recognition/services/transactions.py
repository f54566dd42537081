"""Transactions that are tried again, and the locks that services take in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import TypeVar
from uuid import UUID

from django.db import OperationalError, connection, transaction

from recognition.errors import not_found
from recognition.models import Collection, Person

T = TypeVar("T")

ATTEMPTS = 6
# MySQL and MariaDB: lock wait timeout, deadlock, row changed since it was read.
_BROKEN_OFF = {1205, 1213, 1020}


def in_transaction(act: Callable[[], T]) -> T:
    """What `act` returns, run in a transaction; from its beginning again where the database broke
    it off for another's sake. So `act` must not keep anything from a first attempt.

    Within a transaction of the caller it is one try: only the outermost can be repeated.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return act()
    for attempt in range(1, ATTEMPTS):
        try:
            with transaction.atomic():
                return act()
        except OperationalError as error:
            if not _was_broken_off(error):
                raise
        time.sleep(random.uniform(0, 0.02 * 2**attempt))  # so that two do not meet again
    with transaction.atomic():
        return act()


def _was_broken_off(error: OperationalError) -> bool:
    code = error.args[0] if error.args else None
    return code in _BROKEN_OFF or "database is locked" in str(error)


def lock_collection(collection_id: UUID) -> Collection:
    """The row as it is now, locked until the end of the transaction."""
    row = Collection.objects.select_for_update().filter(pk=collection_id).first()
    if row is None:
        raise not_found("collection")
    return row


def lock_person(person_id: UUID) -> Person:
    return lock_people([person_id])[0]


def lock_people(person_ids: Iterable[UUID]) -> list[Person]:
    """Rows in the order asked for; `not_found` where one is gone."""
    asked = list(person_ids)
    rows = Person.objects.select_for_update().filter(pk__in=asked).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) < len(set(asked)):
        raise not_found("person")
    return [found[person_id] for person_id in asked]
