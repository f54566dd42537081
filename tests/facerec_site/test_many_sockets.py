"""Many websockets at once: each is answered, with the socket or with a close code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.facerec_site.site import PATIENCE_S, Served

MANY = 200


async def opened(site: Served, path: str) -> ClientConnection | str:
    """The connection, or the error of its handshake."""
    try:
        return await site.socket(path, key="key", open_timeout=PATIENCE_S)
    except (OSError, websockets.InvalidHandshake) as error:
        return repr(error)


async def outcome(client: ClientConnection | str) -> str:
    """`open`, the close code, or the error of the handshake."""
    if isinstance(client, str):
        return client
    try:
        await asyncio.wait_for(client.recv(), 2)
    except TimeoutError:
        return "open"
    except websockets.ConnectionClosed as closed:
        return str(closed.rcvd.code if closed.rcvd else closed)
    return "a message"


@pytest.mark.parametrize(("path", "most"), [("/ws/events/", 16), ("/ws/live/", 4)])
async def test_sockets_that_open_at_once_are_all_answered(
    start: Callable[..., Served], path: str, most: int
) -> None:
    """Each key takes 0.05 s to look up: one after the other, the last would wait for 10 s."""
    site = start("--slow-keys-s", "0.05", "--", "--port", "0")
    clients = await asyncio.gather(*(opened(site, path) for _ in range(MANY)))
    outcomes = Counter(await asyncio.gather(*map(outcome, clients)))
    assert outcomes == {"open": most, "4429": MANY - most}


async def test_handshake_that_takes_too_long_is_refused_with_503(
    start: Callable[..., Served],
) -> None:
    site = start("--slow-keys-s", "10", "--handshake-s", "3", "--", "--port", "0")
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with site.socket("/ws/events/", key="key", open_timeout=PATIENCE_S):
            pass
    assert refused.value.response.status_code == 503
    assert await asyncio.to_thread(site.terminate) == 0
    assert not site.tracebacks, site.tracebacks
