"""Parts of a process without the role `web`: its event loop, and its answers to probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class NoServer:
    """Replaces `SiteServer` in a process that opens no port: only runs the event loop."""

    failure: str | None = None

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ready_callable: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Run the event loop until `stop` is called."""
        asyncio.set_event_loop(self.loop)
        self.ready_callable()
        self.loop.run_forever()

    def stop(self) -> None:
        self.loop.stop()

    async def drain(self, timeout_s: float) -> None:
        """Nothing to do: there are no requests."""

    async def hang_up(self) -> None:
        """Nothing to do: there are no connections."""


def only_health(application: Application) -> Application:
    """The application, limited to /health/ and /metrics; others are answered 404."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(("/health/", "/metrics")):
            await application(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close"})

    return answer
