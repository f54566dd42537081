"""Passes messages to the sockets that are open in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from recognition.notices.payloads import PageMessage
from recognition.web.process import Part

# Called from any thread; must not block. The listener checks if its caller may see the message.
Listener = Callable[[PageMessage], None]


class Feed(Part):
    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()

    @property
    def has_listeners(self) -> bool:
        return bool(self._listeners)

    def join(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def put(self, message: PageMessage) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(message)
