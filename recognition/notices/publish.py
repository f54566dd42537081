"""The only module that sends to the channel layer. May be called from any thread; only `in_loop`
blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from channels.layers import get_channel_layer

from recognition.web.boundaries import AsgiDict
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

ALL_EVENTS = "events"
ALL_JOBS = "jobs"
# Most messages that are being sent at once. There are more only while the layer does not answer.
_MOST_UNDER_WAY = 500
# Longer than the layer's time limit for connecting, shorter than the one for its answers.
_TIMEOUT_S = 8.0


class Publisher(Part):
    """Sends to the channel layer in one event loop, because the in-memory layer is not thread-safe.
    Without a loop nothing is sent."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = threading.BoundedSemaphore(_MOST_UNDER_WAY)
        self._turn = asyncio.Lock()

    def use(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not self._loop:
            self._loop, self._turn = loop, asyncio.Lock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

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
        # One message after the other: with Redis each uses its own connection, so a later message
        # could arrive first.
        async with asyncio.timeout(_TIMEOUT_S), self._turn:
            for group in groups:
                await layer.group_send(group, message)

    def _sent(self, future: Future[None]) -> None:
        self._room.release()
        if not future.cancelled() and (error := future.exception()):
            logger.warning("a message was not published: %s", repr(error))


def set_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Set the event loop of the server, in which messages are sent."""
    process().part(Publisher).use(loop)


def in_loop(work: Callable[[], Coroutine[Any, Any, object]], timeout_s: float) -> None:
    """Wait for `work` in the event loop of the server, from another thread; in a new loop if there
    is no server. What it raises comes through."""
    loop = process().part(Publisher).loop
    if loop is None or not loop.is_running():
        asyncio.run(work())
    else:
        asyncio.run_coroutine_threadsafe(work(), loop).result(timeout_s)


def events_group(collection_id: object) -> str:
    return f"events.{collection_id}"


def jobs_group(collection_id: object) -> str:
    return f"jobs.{collection_id}"


def publish_event(event_payload: Mapping[str, object], *, collection_id: object) -> None:
    """Send an event to the pages that follow events, if this process runs a server.

    Never raises: a page that misses the message finds the event in the database.
    """
    message = {"type": "event.published", "event": event_payload}
    process().part(Publisher).publish(message, (ALL_EVENTS, events_group(collection_id)))


def publish_job(job_payload: Mapping[str, object], *, collection_id: object) -> None:
    """Send the state of a job to the pages that follow jobs. Never raises."""
    message = {"type": "job.published", "job": job_payload}
    process().part(Publisher).publish(message, (ALL_JOBS, jobs_group(collection_id)))
