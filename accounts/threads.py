"""Database calls of websockets, in their own pool of threads.

Channels' `database_sync_to_async` runs the calls of all sockets in one thread of the process. One
slow call makes all sockets wait, and sockets that open at the same time open one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import DatabaseSyncToAsync
from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

# A busy thread uses one connection to the database; an idle one has none.
THREADS = 8
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="socket-database")


def in_database_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """An awaitable version of the function. It closes its connection."""

    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return DatabaseSyncToAsync(called, thread_sensitive=False, executor=_threads)
