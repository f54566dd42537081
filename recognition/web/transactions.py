"""Transactions that are tried again, and what runs after they are committed."""

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
_BROKEN_OFF = {1205, 1213, 1020}


def in_transaction(act: Callable[[], T]) -> T:
    """What `act` returns, run in a transaction; from its beginning again where the database broke
    it off for another's sake, or if its disk was full and there is room now. So `act` must not keep
    anything from a first attempt.

    Within a transaction of the caller it is one try: only the outermost can be repeated.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return act()
    for attempt in range(1, ATTEMPTS):
        try:
            with transaction.atomic():
                return act()
        except DatabaseError as error:
            has_more_room = process().part(DatabaseRoom).note(error)
            if not (has_more_room or _was_broken_off(error)):
                raise
        time.sleep(random.uniform(0, 0.02 * 2**attempt))  # so that two do not meet again
    with transaction.atomic():
        return act()


def _was_broken_off(error: DatabaseError) -> bool:
    code = error.args[0] if error.args else None
    return code in _BROKEN_OFF or "database is locked" in str(error)


def after_commit(act: Callable[[], object]) -> None:
    """Run `act` once the transaction is committed, or at once if there is none.

    A failure of `act` is logged, and the hooks after it still run: the caller has its answer, which
    a side effect must not change. (Django's `robust=True` breaks off for a callable without a
    name, such as a `partial`.)
    """

    def guarded() -> None:
        try:
            act()
        except Exception:
            logger.exception("a step after a commit failed")

    transaction.on_commit(guarded)
