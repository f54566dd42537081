"""Threads that run one request after the other and keep their connection to the database."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

R = TypeVar("R")

# A thread keeps one connection, of which a database has 150 or so for all processes together.
_MOST_IDLE = 8


class RequestThreads:
    """As many threads as there are requests at the same time: a request that waits for the engine
    must not keep others from running. Only `_MOST_IDLE` of them stay afterwards. To be used from
    one event loop."""

    def __init__(self) -> None:
        self._idle: list[ThreadPoolExecutor] = []

    async def run(self, act: Callable[[], R]) -> R:
        """The result of `act`, which runs to its end even if this call is cancelled. It sees the
        context variables of the caller; what it sets is forgotten afterwards."""
        loop = asyncio.get_running_loop()
        # The one used last, so that few threads do all the work if few requests come.
        thread = self._idle.pop() if self._idle else _new_thread()
        answered: asyncio.Future[R] = loop.create_future()

        def finish(done: Future[R]) -> None:
            self._give_back(thread)
            if answered.cancelled():
                return
            if (error := done.exception()) is not None:
                answered.set_exception(error)
            else:
                answered.set_result(done.result())

        running = thread.submit(contextvars.copy_context().run, act)
        running.add_done_callback(lambda done: loop.call_soon_threadsafe(finish, done))
        return await answered

    def _give_back(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(thread)
            return
        thread.submit(connections.close_all)
        thread.shutdown(wait=False)


def _new_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="request")
