"""Previews of cameras for whoever watches, and only while somebody does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from recognition.web.process import Part, process


@dataclass(frozen=True, slots=True)
class Preview:
    """A frame as a JPEG, and the `faces` message of the same frame."""

    jpeg: bytes
    faces: dict[str, Any]


class Viewer:
    """Holds the newest preview only: who watches over a slow line sees fewer of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._come = asyncio.Event()
        self._newest: Preview | None = None

    def show(self, preview: Preview) -> None:
        """From any thread."""
        self._newest = preview
        with suppress(RuntimeError):  # the loop was closed: nobody watches any more
            self._loop.call_soon_threadsafe(self._come.set)

    async def next(self, timeout_s: float) -> Preview | None:
        """The newest preview that was not given yet; None where none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._come.wait()
        except TimeoutError:
            return None
        self._come.clear()
        newest, self._newest = self._newest, None
        return newest


class Previews(Part):
    """Who watches which camera. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: dict[UUID, list[Viewer]] = {}

    def watch(self, camera: UUID, viewer: Viewer) -> None:
        with self._lock:
            self._viewers.setdefault(camera, []).append(viewer)

    def leave(self, camera: UUID, viewer: Viewer) -> None:
        with self._lock:
            left = [other for other in self._viewers.get(camera, []) if other is not viewer]
            if left:
                self._viewers[camera] = left
            else:
                self._viewers.pop(camera, None)

    def show(self, camera: UUID, make: Callable[[], Preview]) -> None:
        """`make` is called only if somebody watches."""
        with self._lock:
            viewers = list(self._viewers.get(camera, ()))
        if viewers:
            preview = make()
            for viewer in viewers:
                viewer.show(preview)


def previews() -> Previews:
    """Those of this process."""
    return process().part(Previews)
