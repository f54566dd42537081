"""`python -m benchmarks.idle_sockets`: do idle websockets stay open?

Opens many event feeds through a private Redis, leaves them idle, and counts those that close. Then
kills Redis, starts it again, and measures the time until all feeds are open again, with clients
that reconnect like the page does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import websockets
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.own_site import new_key, served, set_up
from ml_engine.zoo import default_weights_dir
from tools.private_redis import RedisServer

_OPEN_WITHIN_S = 60.0
# The pause of the page between two attempts.
_AGAIN_S = 5.0
_AWAY_S = 10.0
_PATIENCE_S = 120.0


def main() -> int:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="facerec-idle-") as name:
        redis = RedisServer(Path(name) / "redis")
        redis.start()
        try:
            limits = {"MAX_STREAMS": str(options.sockets), "MAX_STREAMS_PER_CALLER": "1000"}
            set_up(Path(name) / "var", options.weights, REDIS_URL=redis.url, **limits)
            key = new_key("events")
            with served(options.port):
                feeds = _Feeds(f"ws://127.0.0.1:{options.port}/ws/events/", key, options.sockets)
                return asyncio.run(_measured(feeds, redis, options.seconds))
        finally:
            redis.kill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_sockets")
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    parser.add_argument("--port", type=int, default=8322)
    return parser


class _Feeds:
    """Clients that reconnect until they are told to end. closed: how their sockets were closed."""

    def __init__(self, url: str, key: str, count: int) -> None:
        self.count = count
        self.open: set[ClientConnection] = set()
        self.closed: Counter[str] = Counter()
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> _Feeds:
        self._clients = [asyncio.create_task(self._follow()) for _ in range(self.count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def all_open(self) -> float:
        """Seconds until all sockets are open. They must stay open for two seconds, which do not
        count."""
        started = steady_since = time.monotonic()
        while (now := time.monotonic()) - started < _PATIENCE_S:
            if len(self.open) < self.count:
                steady_since = now
            elif now - steady_since > 2:
                return steady_since - started
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{len(self.open)} of {self.count} are open")

    async def _follow(self) -> None:
        while True:
            try:
                async with self._connection() as client:
                    self.open.add(client)
                    try:
                        async for _ in client:
                            pass
                    finally:
                        self.open.discard(client)
                self.closed[str(client.close_code)] += 1
            except websockets.ConnectionClosed as error:
                self.closed[str(error.rcvd.code if error.rcvd else "cut off")] += 1
            except (OSError, websockets.InvalidHandshake) as error:
                self.closed[repr(error)] += 1
            await asyncio.sleep(_AGAIN_S)

    def _connection(self) -> connect:
        return connect(self._url, additional_headers=self._headers, open_timeout=_OPEN_WITHIN_S)


async def _measured(feeds: _Feeds, redis: RedisServer, seconds: float) -> int:
    """Prints the figures; 1 if a socket closed while it was idle."""
    async with feeds:
        print(f"{feeds.count} open after {await feeds.all_open():.1f} s", flush=True)
        feeds.closed.clear()
        await asyncio.sleep(seconds)
        closed = feeds.closed.total()
        print(f"{closed} closed in {seconds:.0f} s: {dict(feeds.closed)}", flush=True)
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(_AWAY_S)
        print(f"{_AWAY_S:.0f} s without Redis: {len(feeds.open)} open, {dict(feeds.closed)}")
        await asyncio.to_thread(redis.start)
        print(f"{feeds.count} open {await feeds.all_open():.1f} s after Redis is back", flush=True)
        return int(closed > 0)


if __name__ == "__main__":
    sys.exit(main())
