"""What the engine found in each uploaded photo, as pictures and words for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ml_engine.types import EngineBusy, ImageError, Quality
from recognition.people.models import Person
from recognition.people.services.enrolment import ImageOutcome
from recognition.people.services.pictures import decoded
from recognition.web.uploads import Upload

PREVIEW_PX = 320
_ACCEPTED, _REFUSED = "#16a34a", "#dc2626"
_TITLES = {
    "accepted": "Added",
    "no_face": "No face found",
    "several_faces": "Several faces",
    "low_quality": "Not good enough",
    "duplicate_image": "Added before",
    "looks_like_another_person": "Looks like somebody else",
    "empty_image": "Empty file",
    "image_too_large": "File too large",
    "too_many_pixels": "Too many pixels",
    "unsupported_image": "Not a picture",
    "animated_image": "Animated",
    "broken_image": "Broken file",
}


@dataclass(frozen=True, slots=True)
class UploadRow:
    name: str
    accepted: bool
    title: str
    message: str
    preview: str  # data URL, empty if the file is no picture
    quality: Quality | None
    similar_to: Person | None


def report_of(uploads: Sequence[Upload], outcomes: Sequence[ImageOutcome]) -> list[UploadRow]:
    """One row for each upload, in their order."""
    people = Person.objects.in_bulk([o.similar_to for o in outcomes if o.similar_to])
    return [
        UploadRow(
            name=upload.name,
            accepted=outcome.accepted,
            title=_TITLES.get(outcome.code, outcome.code),
            message=outcome.message,
            preview=_preview(upload, outcome),
            quality=outcome.quality,
            similar_to=people.get(outcome.similar_to) if outcome.similar_to else None,
        )
        for upload, outcome in zip(uploads, outcomes, strict=True)
    ]


def _preview(upload: Upload, outcome: ImageOutcome) -> str:
    """A small JPEG of the upload with the boxes of its faces, as a data URL."""
    try:
        with decoded(upload.data) as image:
            picture = Image.fromarray(image)
            scale = min(1.0, PREVIEW_PX / max(picture.size))
            picture.thumbnail((PREVIEW_PX, PREVIEW_PX))
    except (ImageError, EngineBusy):
        return ""
    draw = ImageDraw.Draw(picture)
    colour = _ACCEPTED if outcome.accepted else _REFUSED
    for box in _boxes(outcome):
        draw.rectangle([scale * side for side in box], outline=colour, width=3)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _boxes(outcome: ImageOutcome) -> list[tuple[float, ...]]:
    """x1 y1 x2 y2 of the stored face, or of every face found if none was stored."""
    if outcome.image is not None:
        x, y, width, height = outcome.image.box
        return [(x, y, x + width, y + height)]
    return [tuple(float(side) for side in box) for box in outcome.boxes]
