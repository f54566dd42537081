"""Messages to one client, from any thread, in order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from recognition.jobs.payloads import JobMessage
from recognition.live.messages import LiveMessage

# A client that reads too slowly misses the oldest messages.
MOST_WAITING = 64


def encoded(message: LiveMessage | JobMessage) -> str:
    return json.dumps(message, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Closing:
    """Closes the socket after the messages posted before it."""

    code: int
    reason: str = ""


class Outbox:
    def __init__(self, send: Callable[[str | Closing], Awaitable[None]]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[str | Closing] = deque(maxlen=MOST_WAITING)
        self._come = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def post(self, message: LiveMessage) -> None:
        """Thread-safe; never waits."""
        self._put(encoded(message))

    def close_after(self, code: int, reason: str = "") -> None:
        """Close the socket after the messages posted before it are sent."""
        self._put(Closing(code, reason))

    def stop(self) -> None:
        """Drop the waiting messages. Called in the loop."""
        self._task.cancel()

    def _put(self, item: str | Closing) -> None:
        try:
            self._loop.call_soon_threadsafe(self._keep, item)
        except RuntimeError:  # the loop was closed: the client is gone
            return

    def _keep(self, item: str | Closing) -> None:
        self._waiting.append(item)
        self._come.set()

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            self._come.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())
