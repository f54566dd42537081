"""The only module that speaks to the channel layer. Callable from any thread; never blocks."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

ALL_EVENTS = "events"

_loop: asyncio.AbstractEventLoop | None = None


def set_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """The loop of the server: the layer in memory is not thread-safe, so everything runs there."""
    global _loop
    _loop = loop


def events_group(collection_id: object) -> str:
    return f"events.{collection_id}"


def publish_event(event_payload: dict[str, Any], *, collection_id: object) -> None:
    """Tell everybody who follows events; nobody where there is no server in this process."""
    loop = _loop
    if loop is None or loop.is_closed():
        return
    try:
        sending = _send({"type": "event.published", "event": event_payload}, collection_id)
        asyncio.run_coroutine_threadsafe(sending, loop)
    except RuntimeError:
        logger.warning("an event could not be published", exc_info=True)


async def _send(message: dict[str, Any], collection_id: object) -> None:
    layer = get_channel_layer()
    for group in (ALL_EVENTS, events_group(collection_id)):
        await layer.group_send(group, message)
