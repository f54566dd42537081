"""The cache: Redis, shared by all processes. While Redis is away, each process uses its own memory.

The cache counts calls and sign-ins. A request must not fail or wait because Redis is away; until
Redis is back, each process counts only its own requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# After a failure Redis is not asked again for this long, so that not every request waits for a
# connection that fails.
RETRY_S = 3.0


class Circuit:
    """A circuit breaker: says whether Redis may be asked now. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._retry_at: float | None = None

    def lets_through(self) -> bool:
        """True if the last call of Redis succeeded. While Redis is away, True for one caller every
        RETRY_S."""
        with self._lock:
            if self._retry_at is None:
                return True
            if time.monotonic() < self._retry_at:
                return False
            self._retry_at = time.monotonic() + RETRY_S
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            was_closed, self._retry_at = self._retry_at is None, time.monotonic() + RETRY_S
        if was_closed:
            logger.warning("Redis does not answer; limits are counted in this process: %r", error)

    def worked(self) -> None:
        with self._lock:
            was_open, self._retry_at = self._retry_at is not None, None
        if was_open:
            logger.warning("Redis answers again; limits are counted together")


class _Shared:
    """What all threads of the process share. Django makes one cache object for each request."""

    def __init__(self, servers: list[str], options: dict[str, Any]) -> None:
        self.client = RedisCacheClient(servers, **options)
        self.circuit = Circuit()


class RedisServers(Part):
    """The client and circuit of each group of Redis servers, by the addresses of the group."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Shared] = {}
        self._lock = threading.Lock()

    def get(self, servers: list[str], options: dict[str, Any]) -> _Shared:
        name = ";".join(servers)
        with self._lock:
            if name not in self._by_name:
                self._by_name[name] = _Shared(servers, options)
            return self._by_name[name]


def _operation(name: str) -> Callable[..., Any]:
    """The cache method `name`: asks Redis, or this process's memory if Redis is away."""

    def method(self: SharedCache, *args: Any, **kwargs: Any) -> Any:
        circuit = self.shared.circuit
        if circuit.lets_through():
            try:
                answer = getattr(RedisCache, name)(self, *args, **kwargs)
            except RedisError as error:
                circuit.failed(error)
            else:
                circuit.worked()
                return answer
        return getattr(self.own, name)(*args, **kwargs)

    return method


class SharedCache(RedisCache):
    """Backend for `CACHES`. Counts from the time without Redis are not added to Redis later."""

    _servers: list[str]
    _options: dict[str, Any]

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.shared = process().part(RedisServers).get(self._servers, self._options)
        self.own = LocMemCache(f"instead of {server}", {**params, "OPTIONS": {}})

    @property
    def _cache(self) -> RedisCacheClient:
        return self.shared.client

    add = _operation("add")
    get = _operation("get")
    set = _operation("set")
    touch = _operation("touch")
    delete = _operation("delete")
    get_many = _operation("get_many")
    has_key = _operation("has_key")
    incr = _operation("incr")
    set_many = _operation("set_many")
    delete_many = _operation("delete_many")
    clear = _operation("clear")
