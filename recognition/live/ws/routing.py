"""Addresses of websockets."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path, re_path

from recognition.live.ws.cameras import CameraConsumer
from recognition.live.ws.events import EventsConsumer
from recognition.live.ws.jobs import JobsConsumer
from recognition.live.ws.live import LiveConsumer


class NoSuchSocket(AsyncWebsocketConsumer):
    """Any other address: the handshake is refused."""

    async def connect(self) -> None:
        await self.close()


websocket_urlpatterns: list[Any] = [
    path("ws/live/", LiveConsumer.as_asgi()),
    path("ws/events/", EventsConsumer.as_asgi()),
    path("ws/jobs/", JobsConsumer.as_asgi()),
    path("ws/cameras/<uuid:camera_id>/", CameraConsumer.as_asgi()),
    re_path("", NoSuchSocket.as_asgi()),
]
