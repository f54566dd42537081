"""A camera is tried out before it is saved: one picture, or the reason in words."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass

from accounts.audit import Actor, record
from ml_engine.types import Image, ImageError
from recognition.cameras.models import Camera
from recognition.cameras.pictures import as_rgb, shrunk_jpeg
from recognition.cameras.services.cameras import camera_set
from recognition.cameras.sources import KINDS
from recognition.cameras.sources.addresses import host_of
from recognition.cameras.sources.base import Remark, Source, SourceFailed
from recognition.cameras.sources.packets import VideoPacket
from recognition.web.boundaries import ColumnValues
from recognition.web.errors import ServiceError
from recognition.web.process import Part, process

MOST_AT_ONCE = 2
_LONGEST_S = 15.0
_SIDE_PX = 640


@dataclass(frozen=True, slots=True)
class Trial:
    """jpeg: the first picture, made smaller. size: width and height of the picture itself. message:
    why there is none."""

    took_ms: int
    jpeg: bytes = b""
    size: tuple[int, int] | None = None
    message: str = ""


class Trials(Part):
    """Those that run in this process."""

    def __init__(self) -> None:
        self.free = threading.BoundedSemaphore(MOST_AT_ONCE)


def camera_test(*, camera: Camera, values: ColumnValues, actor: Actor) -> Trial:
    """Play the camera with these values until its first picture. Nothing is saved, `camera` may be
    a new one. ServiceError for values that cannot be saved either, or if it is too busy."""
    camera_set(camera, values)
    source = _source(camera)
    free = process().part(Trials).free
    if not free.acquire(blocking=False):
        message = f"{MOST_AT_ONCE} cameras are being tested now. Try again in a moment."
        raise ServiceError("too_many_tests", message, status=429, retry_after=5)
    try:
        trial = _tried(source, camera)
    finally:
        free.release()
    record(
        actor,
        "camera.test",
        target_type="camera",
        target_id="" if camera._state.adding else camera.pk,
        collection_id=camera.collection_id,
        kind=camera.kind,
        host=host_of(camera.address),
        has_picture=bool(trial.jpeg),
    )
    return trial


def _source(camera: Camera) -> Source:
    kind = KINDS[camera.kind]
    if kind.source is None:
        message = "A browser sends the pictures of such a camera: there is nothing to test."
        raise ServiceError("nothing_to_test", message)
    here = process().node
    if camera.node not in ("", here):
        message = f"It hangs on {camera.node}, and this page is served by {here}."
        raise ServiceError("on_another_node", message, status=409)
    source = kind.load()
    source.check(camera)
    return source


def _tried(source: Source, camera: Camera) -> Trial:
    began_s = time.monotonic()
    stopped = threading.Event()
    timer = threading.Timer(_LONGEST_S, stopped.set)
    timer.daemon = True
    timer.start()
    message = f"No picture came within {_LONGEST_S:.0f} seconds."
    picture: Image | None = None
    try:
        with closing(source.frames(camera, stopped)) as frames:
            for found in frames:
                if isinstance(found, Remark):
                    message = found.text or message
                elif not isinstance(found, VideoPacket):
                    picture = as_rgb(found)
                    break
    except (SourceFailed, ImageError) as failure:
        message = str(failure)
    finally:
        timer.cancel()
    took_ms = round((time.monotonic() - began_s) * 1000)
    if picture is None:
        return Trial(took_ms, message=message)
    height, width = picture.shape[:2]
    return Trial(took_ms, shrunk_jpeg(picture, _SIDE_PX, quality=80), (width, height))
