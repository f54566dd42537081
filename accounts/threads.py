"""Database calls of websockets, in a few threads of their own.

Channels' `database_sync_to_async` runs the calls of all sockets in one thread of the process: one
slow call keeps every socket waiting, and sockets that open at once open one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import DatabaseSyncToAsync

P = ParamSpec("P")
R = TypeVar("R")

# Each one has a connection to the database while it is at work.
THREADS = 8
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="socket-database")


def in_database_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The function as one to await; it closes its connection when `CONN_MAX_AGE` is over."""
    return DatabaseSyncToAsync(function, thread_sensitive=False, executor=_threads)
