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
_IDLE_FOR_S = 20.0


class RequestThreads:
    """As many threads as there are requests at the same time: a request that waits for the engine
    must not keep others from running. Only `_MOST_IDLE` of them stay afterwards, and only for
    `_IDLE_FOR_S`. To be used from one event loop."""

    def __init__(self) -> None:
        # With the timer that ends each; the one used last at the end.
        self._idle: dict[ThreadPoolExecutor, asyncio.TimerHandle] = {}

    async def run(self, act: Callable[[], R]) -> R:
        """The result of `act`, which runs to its end even if this call is cancelled. It sees the
        context variables of the caller; what it sets is forgotten afterwards."""
        loop = asyncio.get_running_loop()
        # The one used last, so that few threads do all the work if few requests come.
        thread = self._lend()
        answered: asyncio.Future[R] = loop.create_future()

        def finish(done: Future[R]) -> None:
            self._give_back(thread, loop)
            if answered.cancelled():
                return
            if (error := done.exception()) is not None:
                answered.set_exception(error)
            else:
                answered.set_result(done.result())

        running = thread.submit(contextvars.copy_context().run, act)
        running.add_done_callback(lambda done: loop.call_soon_threadsafe(finish, done))
        return await answered

    def _lend(self) -> ThreadPoolExecutor:
        if not self._idle:
            return ThreadPoolExecutor(max_workers=1, thread_name_prefix="request")
        thread, timer = self._idle.popitem()
        timer.cancel()
        return thread

    def _give_back(self, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        self._idle[thread] = loop.call_later(_IDLE_FOR_S, self._end, thread)
        if len(self._idle) > _MOST_IDLE:
            self._end(next(iter(self._idle)))

    def _end(self, thread: ThreadPoolExecutor) -> None:
        self._idle.pop(thread).cancel()
        thread.submit(connections.close_all)
        thread.shutdown(wait=False)
