"""Clients that watch cameras for a while and leave; some of them just cut the connection."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import websockets
from websockets.asyncio.client import ClientConnection, connect

_SIDES_PX = (240, 480, 960, 0)
# One in so many opens the feed of events and not a camera; one in so many cuts its connection.
_FEED_EVERY, _CUT_EVERY = 5, 4
_AGAIN_S = 2.0


@dataclass(slots=True)
class Comings:
    """Of all viewers. messages: heard by them. failed: sockets that did not open or broke."""

    count: int = 0
    messages: int = 0
    failed: int = 0


class Viewers:
    """url: of the site, http://… key: with the scopes `identify` and `events`. stay_s, away_s: the
    shortest and the longest time that a viewer looks, and that it pauses."""

    def __init__(
        self,
        url: str,
        key: str,
        cameras: Sequence[str],
        *,
        stay_s: tuple[float, float] = (3.0, 20.0),
        away_s: tuple[float, float] = (1.0, 8.0),
    ) -> None:
        self.comings = Comings()
        self.watching = 0
        self._url = url.replace("http", "ws", 1)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._cameras = list(cameras)
        self._stay_s, self._away_s = stay_s, away_s

    async def come_and_go(
        self, count: int, *, until_s: float = float("inf"), times: int = 0
    ) -> None:
        """`count` viewers at once, until a time of `time.monotonic`, or each so many times."""
        await asyncio.gather(*(self._one(number, until_s, times) for number in range(count)))

    async def _one(self, number: int, until_s: float, times: int) -> None:
        chance, visits = random.Random(number), 0
        while time.monotonic() < until_s and (not times or visits < times):
            visits += 1
            stay_s = min(chance.uniform(*self._stay_s), until_s - time.monotonic())
            try:
                await self._look(chance, stay_s)
            except (OSError, TimeoutError, websockets.WebSocketException):
                self.comings.failed += 1
                await asyncio.sleep(_AGAIN_S)
            left_s = max(0.0, until_s - time.monotonic())
            await asyncio.sleep(min(chance.uniform(*self._away_s), left_s))

    async def _look(self, chance: random.Random, stay_s: float) -> None:
        is_feed = chance.randrange(_FEED_EVERY) == 0
        path = "/ws/events/" if is_feed else f"/ws/cameras/{chance.choice(self._cameras)}/"
        is_cut = chance.randrange(_CUT_EVERY) == 0
        async with connect(
            self._url + path, additional_headers=self._headers, max_size=None
        ) as socket:
            self.comings.count += 1
            self.watching += 1
            try:
                if not is_feed:
                    size = {"type": "preview.size", "side_px": chance.choice(_SIDES_PX)}
                    await socket.send(json.dumps(size))
                await self._hear(socket, stay_s)
            finally:
                self.watching -= 1
            if is_cut:
                socket.transport.abort()

    async def _hear(self, socket: ClientConnection, stay_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(stay_s):
                async for _ in socket:
                    self.comings.messages += 1
                raise websockets.ConnectionClosedError(None, None)
