"""Many websockets at once: each is answered, with the socket or with a close code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
import websockets

from tests.facerec_site.site import PATIENCE_S, Served

MANY = 200


async def outcome(site: Served, path: str) -> str:
    """`open`, the close code, or the error of the handshake."""
    try:
        async with site.socket(path, key="key", open_timeout=PATIENCE_S) as client:
            try:
                await asyncio.wait_for(client.recv(), 2)
            except TimeoutError:
                return "open"
            except websockets.ConnectionClosed as closed:
                return str(closed.rcvd.code if closed.rcvd else closed)
    except (OSError, websockets.InvalidHandshake) as error:
        return repr(error)
    return "a message"


@pytest.mark.parametrize(("path", "most"), [("/ws/events/", 16), ("/ws/live/", 4)])
async def test_sockets_that_open_at_once_are_all_answered(
    start: Callable[..., Served], path: str, most: int
) -> None:
    """Each key takes 0.05 s to look up: one after the other, the last would wait for 10 s."""
    site = start("--slow-keys-s", "0.05", "--", "--port", "0")
    outcomes = Counter(await asyncio.gather(*(outcome(site, path) for _ in range(MANY))))
    assert outcomes == {"open": most, "4429": MANY - most}
