"""Transactions that are retried, and steps that run after a commit."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, connection, transaction

from recognition.web.database_room import DatabaseRoom
from recognition.web.process import process

logger = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 6
# MySQL and MariaDB: lock wait timeout, deadlock, row changed since it was read.
_RETRYABLE = {1205, 1213, 1020}


def in_transaction(act: Callable[[], T]) -> T:
    """The result of `act`, run in a transaction. If the database aborts it because of another
    transaction, or its disk was full and there is room now, it runs again from the start, so `act`
    must keep nothing from a failed attempt.

    Inside a transaction of the caller there is only one attempt: only the outermost can be retried.
    """
    if connection.in_atomic_block:
        return _in_atomic(act)
    for attempt in range(1, ATTEMPTS):
        try:
            return _in_atomic(act)
        except DatabaseError as error:
            has_more_room = process().part(DatabaseRoom).note(error)
            if not (has_more_room or _is_retryable(error)):
                raise
        time.sleep(random.uniform(0, 0.02 * 2**attempt))  # so that two do not collide again
    return _in_atomic(act)


def _in_atomic(act: Callable[[], T]) -> T:
    # If the connection breaks, Django closes the cursor, and the driver's own error of that comes
    # through, which nobody catches.
    with connection.wrap_database_errors, transaction.atomic():
        return act()


def _is_retryable(error: DatabaseError) -> bool:
    code = error.args[0] if error.args else None
    return code in _RETRYABLE or "database is locked" in str(error)


def after_commit(act: Callable[[], object]) -> None:
    """Run `act` once the transaction is committed, or at once if there is none.

    A failure of `act` is logged, and later steps still run: a side effect must not change the
    answer to the caller. (Django's `robust=True` fails for a callable without a name, such as a
    `partial`.)
    """

    def guarded() -> None:
        try:
            act()
        except Exception:
            logger.exception("a step after a commit failed")

    transaction.on_commit(guarded)


def last_after_commit(act: Callable[[], object]) -> None:
    """Run `act` once the transaction is committed, or at once if there is none. What it raises
    reaches the caller, though the change is done, and steps after it do not run: so it comes last.
    """
    if connection.in_atomic_block:
        transaction.on_commit(act)
    else:
        act()
