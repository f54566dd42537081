"""A file of the video folder, played in real time as a camera."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath

import av
from django.conf import settings

from recognition.cameras.models import Camera
from recognition.cameras.pictures import Converters, VideoPicture
from recognition.cameras.sources.base import Picture, SourceFailed
from recognition.cameras.sources.decoding import PLAYABLE_FILES, decoded
from recognition.cameras.sources.pacing import Pace
from recognition.web.errors import ServiceError
from recognition.web.process import process


class VideoFile:
    """Once, or in a loop if the camera says so."""

    def check(self, camera: Camera) -> None:
        """A file of the video folder, and nothing outside it. On another machine it is not looked
        for."""
        is_here = camera.node in ("", process().node)
        if not _is_name(camera.address) or (is_here and not _is_file(camera.address)):
            message = "Name a file in the video folder of the server."
            raise ServiceError("no_such_video", message, status=400)

    def frames(self, camera: Camera, stopped: threading.Event) -> Generator[Picture, None, None]:
        if not _is_name(camera.address) or not _is_file(camera.address):
            message = f"There is no file {camera.address!r} in the video folder."
            raise SourceFailed(message)
        pace = Pace(stopped)
        while not stopped.is_set():
            yield from _played_once(settings.VIDEO_DIR / camera.address, pace)
            if not camera.loops:
                return


def _is_name(name: str) -> bool:
    return bool(name) and "\0" not in name and PurePath(name).name == name


def _is_file(name: str) -> bool:
    # isfile() and not is_file(): a name that the system finds too long is no file either.
    return os.path.isfile(settings.VIDEO_DIR / name)  # noqa: PTH113


def _played_once(path: Path, pace: Pace) -> Iterator[Picture]:
    """The frames when they are due."""
    is_empty, converters = True, Converters()
    try:
        # Only these formats, and only files: a playlist may name any address.
        options = {"format_whitelist": PLAYABLE_FILES, "protocol_whitelist": "file"}
        with av.open(str(path), options=options) as container:
            pace.begin()
            for frame in decoded(container):
                is_empty = False
                if not pace.wait(frame.time or 0.0):
                    return
                yield VideoPicture(frame, converters)
    except (av.FFmpegError, OSError) as error:
        if is_empty:
            raise SourceFailed(f"{path.name} is not a video that can be played.") from error
    if is_empty:
        raise SourceFailed(f"{path.name} is not a video that can be played.")
