"""The only module that speaks to the channel layer. Callable from any thread; never blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

ALL_EVENTS = "events"
ALL_JOBS = "jobs"
# What may be under way at once: more piles up only while the layer does not answer.
_MOST_UNDER_WAY = 500
_TIMEOUT_S = 5.0

_loop: asyncio.AbstractEventLoop | None = None
_room = threading.BoundedSemaphore(_MOST_UNDER_WAY)


def set_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """The loop of the server: the layer in memory is not thread-safe, so everything runs there."""
    global _loop
    _loop = loop


def events_group(collection_id: object) -> str:
    return f"events.{collection_id}"


def jobs_group(collection_id: object) -> str:
    return f"jobs.{collection_id}"


def publish_event(event_payload: dict[str, Any], *, collection_id: object) -> None:
    """Tell everybody who follows events; nobody where there is no server in this process.

    Never raises: whoever misses an event finds it in the database.
    """
    message = {"type": "event.published", "event": event_payload}
    _publish(message, (ALL_EVENTS, events_group(collection_id)))


def publish_job(job_payload: Mapping[str, object], *, collection_id: object) -> None:
    """Tell the pages that follow jobs how far this one is. Never raises."""
    message = {"type": "job.published", "job": job_payload}
    _publish(message, (ALL_JOBS, jobs_group(collection_id)))


def _publish(message: dict[str, Any], groups: tuple[str, ...]) -> None:
    loop = _loop
    if loop is None or loop.is_closed():
        return
    if not _room.acquire(blocking=False):
        logger.warning("a message was not published: the channel layer does not answer")
        return
    sending = _send(message, groups)
    try:
        asyncio.run_coroutine_threadsafe(sending, loop).add_done_callback(_sent)
    except RuntimeError:  # the loop was closed just now
        sending.close()
        _room.release()


def _sent(future: Future[None]) -> None:
    _room.release()
    if not future.cancelled() and (error := future.exception()):
        logger.warning("a message was not published: %s", repr(error))


async def _send(message: dict[str, Any], groups: tuple[str, ...]) -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(_TIMEOUT_S):
        for group in groups:
            await layer.group_send(group, message)
