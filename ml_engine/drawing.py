"""Faces drawn onto a photo, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from ml_engine.images import encode_jpeg, encode_png
from ml_engine.types import Face, Image

_GOOD, _POOR = (60, 190, 90), (235, 160, 40)


def with_faces(image: Image, faces: Sequence[Face]) -> Image:
    """A copy with boxes, numbers from 1, scores and landmarks; faces of poor quality in orange."""
    drawn = image.copy()
    thick = max(1, round(min(image.shape[:2]) / 300))
    for number, face in enumerate(faces, 1):
        colour = _POOR if face.quality and face.quality.reasons else _GOOD
        x1, y1, x2, y2 = (round(value) for value in face.box.tolist())
        cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, thick, cv2.LINE_AA)
        for x, y in face.landmarks.tolist():
            cv2.circle(drawn, (round(x), round(y)), 2 * thick, colour, -1)
        place = (x1, max(y1 - 4 * thick, 12 * thick))
        font = cv2.FONT_HERSHEY_SIMPLEX
        text = f"{number}: {face.score:.2f}"
        cv2.putText(drawn, text, place, font, 0.5 * thick, colour, thick, cv2.LINE_AA)
    return drawn


def write_image(image: Image, path: Path) -> None:
    """As PNG if the name ends so, else as JPEG."""
    is_png = path.suffix.lower() == ".png"
    path.write_bytes(encode_png(image) if is_png else encode_jpeg(image))
