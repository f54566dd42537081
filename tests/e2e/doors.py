"""Cameras of the server for tests of the pages: videos of people in front of doors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ml_engine.types import Image
from tests.e2e.site import Api, Site
from tests.e2e.webcam import FPS, HEIGHT, WIDTH, write_video

Photos = Callable[[str], bytes]
# Those of the first doors: a known person (if he is enrolled), a stranger, both, nobody.
_SCENES = ("known", "stranger", "both", "nobody")


def make_doors(
    site: Site, api: Api, sample_photo: Photos, count: int, *, max_fps: float = 2
) -> list[str]:
    """Add `Door 1`, `Door 2`, …: their ids. Barack Obama is at the first and the third one of
    four, a stranger at the second and third one."""
    videos = site.folder / "videos"
    videos.mkdir(exist_ok=True)
    if not (videos / "nobody.mp4").exists():  # the last one
        photos = {"known": sample_photo("obama2"), "stranger": sample_photo("biden")}
        write_video(videos / "known.mp4", photos["known"])
        write_video(videos / "stranger.mp4", photos["stranger"])
        write_video(videos / "both.mp4", [photos["known"], photos["stranger"]])
        _write_empty_room(videos / "nobody.mp4")
    values = {"kind": "file", "max_fps": max_fps}
    rows = [
        {"name": f"Door {n + 1}", "address": f"{_SCENES[n % 4]}.mp4", **values}
        for n in range(count)
    ]
    return [api.post("cameras", json=row)["id"] for row in rows]


def _write_empty_room(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for _ in range(2 * FPS):
        writer.write(empty_room())
    writer.release()


def empty_room() -> Image:
    """A wall, a floor and a door, without anybody: (HEIGHT, WIDTH, 3)."""
    room = np.full((HEIGHT, WIDTH, 3), (150, 165, 170), np.uint8)
    cv2.rectangle(room, (0, 360), (WIDTH, HEIGHT), (90, 105, 120), -1)
    cv2.rectangle(room, (250, 90), (390, 360), (70, 95, 130), -1)
    cv2.circle(room, (370, 230), 6, (200, 200, 200), -1)
    return room
