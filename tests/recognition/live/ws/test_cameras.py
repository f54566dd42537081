"""`/ws/cameras/<id>/`: previews with their faces, and how the camera is."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async

from accounts.access import Scope
from accounts.models import AuditEntry
from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_delete
from recognition.live.preview_exchange import Preview
from recognition.live.previews import previews
from recognition.live.ws import cameras
from recognition.people.models import Collection
from tests.factories import ACTOR, make_camera
from tests.recognition.live.ws.sockets import PATIENCE_S, Socket, issue_key, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def camera(collection: Collection) -> Camera:
    return make_camera(collection)


@pytest.fixture
async def secret() -> str:
    return await issue_key(Scope.IDENTIFY)


def _path(camera: Camera) -> str:
    return f"/ws/cameras/{camera.pk}/"


def _preview(number: int) -> Preview:
    return Preview(f"jpeg {number}".encode(), {"type": "faces", "frame": number})  # type: ignore[typeddict-item]


async def _hear_bytes(socket: Socket) -> bytes:
    message: dict[str, Any] = await socket.receive_output(PATIENCE_S)
    return message["bytes"]


async def test_a_preview_comes_before_the_faces_of_the_same_frame(
    camera: Camera, secret: str
) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        assert (await socket.hear())["state"] == "off"
        for number in (1, 2):
            previews().show(camera.pk, lambda side_px, number=number: _preview(number))  # type: ignore[misc]
            assert await _hear_bytes(socket) == f"jpeg {number}".encode()
            assert (await socket.hear())["frame"] == number
    assert await AuditEntry.objects.filter(action="camera.watch").acount() == 1


async def test_no_preview_is_made_after_the_last_viewer_left(camera: Camera, secret: str) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
    made: list[int] = []
    previews().show(camera.pk, made.append)  # type: ignore[arg-type]
    assert made == []


async def test_previews_are_made_in_the_size_that_the_viewer_names(
    camera: Camera, secret: str
) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        sides = []

        def make(side_px: int) -> Preview:
            sides.append(side_px)
            return _preview(1)

        for wanted, made in ((None, 960), (300, 480), (1920, 1920), (1, 240)):
            if wanted is not None:
                await socket.tell(type="preview.size", side_px=wanted)
                await _until_handled(socket)
            previews().show(camera.pk, make)
            assert sides[-1] == made
            await _hear_bytes(socket)
            await socket.hear()


async def test_no_preview_is_made_for_a_viewer_that_does_not_look(
    camera: Camera, secret: str
) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        await socket.tell(type="preview.size", side_px=0)
        await _until_handled(socket)
        made: list[int] = []
        previews().show(camera.pk, made.append)  # type: ignore[arg-type]
        assert made == []
        await socket.tell(type="preview.size", side_px=240)
        await _until_handled(socket)
        previews().show(camera.pk, lambda side_px: _preview(side_px))
        assert await _hear_bytes(socket) == b"jpeg 240"


async def test_size_of_a_preview_that_makes_no_sense_is_refused(
    camera: Camera, secret: str
) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        for text in (
            "no JSON",
            '{"type": "preview.size"}',
            '{"type": "preview.size", "side_px": -1}',
            '{"type": "preview.size", "side_px": 5000}',
            '{"type": "preview.size", "side_px": true}',
            '{"type": "preview.size", "side_px": 480, "width": 4}',
            '{"type": "session.start"}',
        ):
            await socket.send_to(text_data=text)
            assert (await socket.hear())["code"] == "invalid_message", text


async def _until_handled(socket: Socket) -> None:
    """The socket answers in the order of the messages."""
    await socket.tell(type="nothing")
    assert (await socket.hear())["code"] == "invalid_message"


async def test_slow_viewer_sees_the_newest_preview(camera: Camera, secret: str) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        for number in range(5):
            previews().show(camera.pk, lambda side_px, number=number: _preview(number))  # type: ignore[misc]
        assert await _hear_bytes(socket) == b"jpeg 4"


async def test_camera_socket_sends_a_change_of_status(
    camera: Camera, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_SILENCE_S", 0.05)
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        await Camera.objects.filter(pk=camera.pk).aupdate(
            status=Camera.Status.FAILED, status_message="No such file."
        )
        told = await socket.hear()
        assert told == {"type": "status", "state": "failed", "message": "No such file."}


async def test_a_camera_that_is_removed_ends_the_socket(
    camera: Camera, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_SILENCE_S", 0.05)
    async with opened(_path(camera), secret=secret) as socket:
        await database_sync_to_async(camera_delete)(camera=camera, actor=ACTOR)
        assert await socket.closed_with() == 4404


async def test_a_camera_that_is_removed_ends_the_socket_while_its_frames_flow(
    camera: Camera, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_SILENCE_S", 1000)
    monkeypatch.setattr(cameras, "_CHECK_S", 0.0)
    number = camera.pk
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        await database_sync_to_async(camera_delete)(camera=camera, actor=ACTOR)
        previews().show(number, lambda side_px: _preview(1))
        message = await socket.receive_output(PATIENCE_S)
        assert (message["type"], message["code"]) == ("websocket.close", 4404)


async def test_failure_of_a_preview_is_logged_and_closes_the_socket(
    camera: Camera, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(_path(camera), secret=secret) as socket:
        await socket.hear()
        broken = Preview(b"jpeg", {"not": object()})  # type: ignore[typeddict-item,typeddict-unknown-key]
        previews().show(camera.pk, lambda side_px: broken)
        assert await socket.closed_with() == 1011
    assert "a camera is not shown any more" in caplog.text


async def test_socket_of_an_unknown_camera_is_closed_with_4404(secret: str) -> None:
    async with opened(f"/ws/cameras/{uuid4()}/", secret=secret) as socket:
        assert await socket.closed_with() == 4404
