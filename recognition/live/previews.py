"""Previews of cameras, made only while there are viewers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from recognition.live.preview_exchange import Preview, PreviewReceiver, PreviewSender
from recognition.web.process import Part, process


class Viewer:
    """Holds the newest preview only, so a viewer on a slow line sees fewer of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._come = asyncio.Event()
        self._newest: Preview | None = None

    def show(self, preview: Preview) -> None:
        """Thread-safe."""
        self._newest = preview
        with suppress(RuntimeError):  # the loop was closed: the viewer is gone
            self._loop.call_soon_threadsafe(self._come.set)

    async def next(self, timeout_s: float) -> Preview | None:
        """The newest preview that was not returned yet; None if none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._come.wait()
        except TimeoutError:
            return None
        self._come.clear()
        newest, self._newest = self._newest, None
        return newest


class Previews(Part):
    """Viewers of each camera. Thread-safe. With Redis, viewers may be in other processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: dict[UUID, list[Viewer]] = {}
        self._sender: PreviewSender | None = None
        self._receiver: PreviewReceiver | None = None
        if settings.REDIS_URL:
            self._sender = PreviewSender(settings.REDIS_URL)
            self._receiver = PreviewReceiver(
                settings.REDIS_URL, self._sender.origin, self._show_here
            )

    def stop(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        workers = [worker for worker in (self._sender, self._receiver) if worker is not None]
        return all([worker.stop(max(0.0, deadline - time.monotonic())) for worker in workers])

    def watch(self, camera: UUID, viewer: Viewer) -> None:
        with self._lock:
            self._viewers.setdefault(camera, []).append(viewer)
            self._tell_receiver()

    def leave(self, camera: UUID, viewer: Viewer) -> None:
        with self._lock:
            left = [other for other in self._viewers.get(camera, []) if other is not viewer]
            if left:
                self._viewers[camera] = left
            else:
                self._viewers.pop(camera, None)
            self._tell_receiver()

    def show(self, camera: UUID, make: Callable[[], Preview]) -> None:
        """`make` is called only if the camera has viewers."""
        is_watched_elsewhere = self._sender is not None and self._sender.is_watched(camera)
        if not is_watched_elsewhere and camera not in self._viewers:
            return
        preview = make()
        self._show_here(camera, preview)
        if self._sender is not None and is_watched_elsewhere:
            self._sender.send(camera, preview)

    def _show_here(self, camera: UUID, preview: Preview) -> None:
        with self._lock:
            viewers = list(self._viewers.get(camera, ()))
        for viewer in viewers:
            viewer.show(preview)

    def _tell_receiver(self) -> None:
        if self._receiver is not None:
            self._receiver.want(frozenset(self._viewers))


def previews() -> Previews:
    """The previews of this process."""
    return process().part(Previews)
