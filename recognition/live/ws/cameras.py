"""`/ws/cameras/<id>/`: previews of a camera, with the faces of the same frame.

A client may say how large its picture is, again and again, and that it does not look now:
`{"type": "preview.size", "side_px": 480}`, or 0.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from accounts.access import Scope
from accounts.threads import in_database_thread
from recognition.cameras.models import Camera
from recognition.cameras.selectors import camera_by_id
from recognition.cameras.services.streams import camera_watch
from recognition.live.answers import error_message, status_message
from recognition.live.preview_exchange import SIDES_PX
from recognition.live.previews import Viewer, previews
from recognition.live.ws.base import Code, Refused, SiteConsumer
from recognition.live.ws.commands import invalid, read_command, read_number
from recognition.live.ws.outbox import encoded
from recognition.web.errors import ServiceError

logger = logging.getLogger(__name__)

# After this time without a preview, the camera's status is read.
_SILENCE_S = 1.5
# While previews come, the caller's right to see them is checked this often.
_CHECK_S = 3.0
# The same for a viewer that does not look now.
_PAUSED_S = 30.0


class CameraConsumer(SiteConsumer):
    scope_needed = Scope.IDENTIFY
    # A wall has 16 of them, and a reload opens the new ones before the old ones have ended.
    limit_factor = 16

    async def prepare(self) -> None:
        self._camera_id: UUID = self.scope["url_route"]["kwargs"]["camera_id"]
        self._viewer: Viewer | None = None
        self._showing: asyncio.Task[None] | None = None
        self._sent_status: tuple[str, str] | None = None
        self._is_gone = False
        try:
            await in_database_thread(camera_watch)(
                access=self.access, camera_id=self._camera_id, actor=self.actor
            )
        except ServiceError as error:
            raise Refused(Code.NOT_FOUND, error.message) from error

    async def opened(self) -> None:
        self._viewer = Viewer(asyncio.get_running_loop())
        previews().watch(self._camera_id, self._viewer)
        self._showing = asyncio.create_task(self._show_or_fail(self._viewer))

    async def hear(self, text: str | None, data: bytes | None) -> None:
        try:
            side_px = _side_wanted(text or "")
        except ServiceError as error:
            self.outbox.post(error_message(error.code, error.message))
            return
        if self._viewer is not None:
            previews().resize(self._camera_id, self._viewer, side_px)

    def left(self) -> None:
        if (viewer := getattr(self, "_viewer", None)) is not None:
            previews().leave(self._camera_id, viewer)
        if (showing := getattr(self, "_showing", None)) is not None:
            showing.cancel()
        super().left()

    async def _show_or_fail(self, viewer: Viewer) -> None:
        try:
            await self._show(viewer)
        except Exception:
            logger.exception("a camera is not shown any more")
            self.outbox.close_after(Code.FAILED, "The server failed; see its log.")

    async def _show(self, viewer: Viewer) -> None:
        loop = asyncio.get_running_loop()
        await self._tell_status()
        next_check = loop.time() + _CHECK_S
        while self.is_open and not self._is_gone:
            preview = await viewer.next(_SILENCE_S if viewer.side_px else _PAUSED_S)
            if preview is None:
                await self._tell_status()
                continue
            if loop.time() >= next_check:
                next_check = loop.time() + _CHECK_S
                await self._camera()
            if self.is_open and not self._is_gone:
                # Waits while the connection to the client is full; the viewer keeps the newest
                # preview meanwhile.
                await self.send(bytes_data=preview.jpeg)
                await self.send(text_data=encoded(preview.faces))

    async def _camera(self) -> Camera | None:
        """None if it could not be read. Closes the socket if the camera is deleted, or the caller
        may no longer see it."""
        try:
            return await in_database_thread(camera_by_id)(self.access, self._camera_id)
        except ServiceError as error:
            self._is_gone = True
            self.outbox.close_after(Code.NOT_FOUND, error.message)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("a camera that is watched could not be read: %s", error)
        return None

    async def _tell_status(self) -> None:
        """Send the camera's status if it changed; close the socket if the camera is deleted."""
        if (camera := await self._camera()) is None:
            return
        status = (camera.status, camera.status_message)
        if status != self._sent_status and self.is_open:
            self._sent_status = status
            await self.send(text_data=encoded(status_message(*status)))


def _side_wanted(text: str) -> int:
    """In pixels; 0: no previews now. ServiceError."""
    message = read_command(
        text, "preview.size", ("side_px",), otherwise="Only preview.size is known here."
    )
    side_px = read_number(message, "side_px", 0, SIDES_PX[-1])
    if side_px is None:
        raise invalid("side_px is missing.")
    return round(side_px)
