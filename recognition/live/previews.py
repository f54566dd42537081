"""Previews of cameras, made only while there are viewers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from recognition.live.preview_exchange import (
    Preview,
    PreviewReceiver,
    PreviewSender,
    step_of,
)
from recognition.web.process import Part, process

# For a viewer that does not say how large its picture is.
DEFAULT_SIDE_PX = 960


class Viewer:
    """Holds the newest preview only, so a viewer on a slow line sees fewer of them.

    side_px: the longer side that the viewer wants; 0 while it does not look.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, side_px: int = DEFAULT_SIDE_PX) -> None:
        self.side_px = side_px
        self._loop = loop
        self._come = asyncio.Event()
        self._newest: Preview | None = None

    def show(self, preview: Preview) -> None:
        """Thread-safe."""
        self._newest = preview
        self.wake()

    def wake(self) -> None:
        """End a wait for the next preview. Thread-safe."""
        with suppress(RuntimeError):  # the loop was closed: the viewer is gone
            self._loop.call_soon_threadsafe(self._come.set)

    async def next(self, timeout_s: float) -> Preview | None:
        """The newest preview that was not returned yet; None if none came in time, or after
        `wake`."""
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

    def resize(self, camera: UUID, viewer: Viewer, side_px: int) -> None:
        """The viewer wants pictures of another size from now on; 0: none."""
        with self._lock:
            viewer.side_px = side_px
            self._tell_receiver()
        viewer.wake()

    def leave(self, camera: UUID, viewer: Viewer) -> None:
        with self._lock:
            left = [other for other in self._viewers.get(camera, []) if other is not viewer]
            if left:
                self._viewers[camera] = left
            else:
                self._viewers.pop(camera, None)
            self._tell_receiver()

    def show(self, camera: UUID, make: Callable[[int], Preview]) -> None:
        """`make` is called only if somebody looks at the camera, with the length of the longer
        side in pixels: the largest that a viewer wants."""
        elsewhere_px = self._sender.side_wanted(camera) if self._sender is not None else 0
        with self._lock:
            here_px = self._side_wanted(camera)
        if not (side_px := max(here_px, elsewhere_px)):
            return
        preview = make(side_px)
        self._show_here(camera, preview)
        if self._sender is not None and elsewhere_px:
            self._sender.send(camera, preview)

    def _show_here(self, camera: UUID, preview: Preview) -> None:
        with self._lock:
            viewers = [one for one in self._viewers.get(camera, ()) if one.side_px]
        for viewer in viewers:
            viewer.show(preview)

    def _side_wanted(self, camera: UUID) -> int:
        """Within the lock: a step of `SIDES_PX`; 0 if no viewer of this process looks."""
        return step_of(max((viewer.side_px for viewer in self._viewers.get(camera, ())), default=0))

    def _tell_receiver(self) -> None:
        if self._receiver is not None:
            sides = {camera: self._side_wanted(camera) for camera in self._viewers}
            self._receiver.want({camera: side for camera, side in sides.items() if side})


def previews() -> Previews:
    """The previews of this process."""
    return process().part(Previews)
