"""The only module that speaks to the channel layer. Callable from any thread; never blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

ALL_EVENTS = "events"
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


def publish_event(event_payload: dict[str, Any], *, collection_id: object) -> None:
    """Tell everybody who follows events; nobody where there is no server in this process.

    Never raises: whoever misses an event finds it in the database.
    """
    loop = _loop
    if loop is None or loop.is_closed():
        return
    if not _room.acquire(blocking=False):
        logger.warning("an event was not published: the channel layer does not answer")
        return
    sending = _send({"type": "event.published", "event": event_payload}, collection_id)
    try:
        asyncio.run_coroutine_threadsafe(sending, loop).add_done_callback(_sent)
    except RuntimeError:  # the loop was closed just now
        sending.close()
        _room.release()


def _sent(future: Future[None]) -> None:
    _room.release()
    if not future.cancelled() and (error := future.exception()):
        logger.warning("an event was not published: %s", repr(error))


async def _send(message: dict[str, Any], collection_id: object) -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(_TIMEOUT_S):
        for group in (ALL_EVENTS, events_group(collection_id)):
            await layer.group_send(group, message)
