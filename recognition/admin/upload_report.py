"""What the engine found in each uploaded photo, as pictures and words for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ml_engine.images import decode_image
from ml_engine.types import ImageError, Quality
from recognition.services.enrolment import ImageOutcome, Upload

PREVIEW_PX = 320
_OUTLINE = "#16a34a"


@dataclass(frozen=True, slots=True)
class UploadRow:
    name: str
    accepted: bool
    code: str
    message: str
    preview: str  # data URL, empty where the file is no picture
    quality: Quality | None
    faces_found: int


def _preview(upload: Upload, outcome: ImageOutcome) -> str:
    """A small JPEG of the upload with the box of its face, as a data URL."""
    try:
        picture = Image.fromarray(decode_image(upload.data))
    except ImageError:
        return ""
    if outcome.image is not None:
        x, y, width, height = outcome.image.box
        line = max(2, max(picture.size) // 100)
        ImageDraw.Draw(picture).rectangle(
            (x, y, x + width, y + height), outline=_OUTLINE, width=line
        )
    picture.thumbnail((PREVIEW_PX, PREVIEW_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def report_of(uploads: Sequence[Upload], outcomes: Sequence[ImageOutcome]) -> list[UploadRow]:
    """One row for each upload, in their order."""
    return [
        UploadRow(
            name=upload.name,
            accepted=outcome.accepted,
            code=outcome.code,
            message=outcome.message,
            preview=_preview(upload, outcome),
            quality=outcome.quality,
            faces_found=outcome.faces_found,
        )
        for upload, outcome in zip(uploads, outcomes, strict=True)
    ]
