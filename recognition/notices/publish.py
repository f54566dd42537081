"""The only module that speaks to the channel layer. Callable from any thread; never blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from channels.layers import get_channel_layer

from recognition.web.boundaries import AsgiDict
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

ALL_EVENTS = "events"
ALL_JOBS = "jobs"
# What may be under way at once: more piles up only while the layer does not answer.
_MOST_UNDER_WAY = 500
# Longer than the limit for a connection to the layer, shorter than that for its answers.
_TIMEOUT_S = 8.0


class Publisher(Part):
    """The loop of this process in which it speaks to the layer: the layer in memory is not
    thread-safe. Without a loop nothing is told."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = threading.BoundedSemaphore(_MOST_UNDER_WAY)
        self._turn = asyncio.Lock()

    def use(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not self._loop:
            self._loop, self._turn = loop, asyncio.Lock()

    def publish(self, message: AsgiDict, groups: Sequence[str]) -> None:
        """Never raises."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if not self._room.acquire(blocking=False):
            logger.warning("a message was not published: the channel layer does not answer")
            return
        sending = self._send(message, groups)
        try:
            asyncio.run_coroutine_threadsafe(sending, loop).add_done_callback(self._sent)
        except RuntimeError:  # the loop was closed just now
            sending.close()
            self._room.release()

    async def _send(self, message: AsgiDict, groups: Sequence[str]) -> None:
        layer = get_channel_layer()
        # One after the other: with Redis each takes a connection of its own, and would overtake.
        async with asyncio.timeout(_TIMEOUT_S), self._turn:
            for group in groups:
                await layer.group_send(group, message)

    def _sent(self, future: Future[None]) -> None:
        self._room.release()
        if not future.cancelled() and (error := future.exception()):
            logger.warning("a message was not published: %s", repr(error))


def set_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """The loop of the server."""
    process().part(Publisher).use(loop)


def events_group(collection_id: object) -> str:
    return f"events.{collection_id}"


def jobs_group(collection_id: object) -> str:
    return f"jobs.{collection_id}"


def publish_event(event_payload: Mapping[str, object], *, collection_id: object) -> None:
    """Tell everybody who follows events; nobody where there is no server in this process.

    Never raises: whoever misses an event finds it in the database.
    """
    message = {"type": "event.published", "event": event_payload}
    process().part(Publisher).publish(message, (ALL_EVENTS, events_group(collection_id)))


def publish_job(job_payload: Mapping[str, object], *, collection_id: object) -> None:
    """Tell the pages that follow jobs how far this one is. Never raises."""
    message = {"type": "job.published", "job": job_payload}
    process().part(Publisher).publish(message, (ALL_JOBS, jobs_group(collection_id)))
