"""The report of an upload: what the engine found in each photo, as pictures and text."""

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
    preview: str  # data URL; empty if the file is not a picture
    choices: str  # "x,y,width,height" of each face to choose from, in pixels of the upload
    size: str  # "width,height" of the upload
    quality: Quality | None
    similar_to: Person | None


def report_of(uploads: Sequence[Upload], outcomes: Sequence[ImageOutcome]) -> list[UploadRow]:
    """One row for each upload, in their order."""
    people = Person.objects.in_bulk([o.similar_to for o in outcomes if o.similar_to])
    previews = map(_preview, uploads, outcomes)
    return [
        UploadRow(
            name=upload.name,
            accepted=outcome.accepted,
            title=_TITLES.get(outcome.code, outcome.code),
            message=outcome.message,
            preview=preview,
            choices=_choices(outcome),
            size=f"{width},{height}",
            quality=outcome.quality,
            similar_to=people.get(outcome.similar_to) if outcome.similar_to else None,
        )
        for upload, outcome, (preview, (width, height)) in zip(
            uploads, outcomes, previews, strict=True
        )
    ]


def _preview(upload: Upload, outcome: ImageOutcome) -> tuple[str, tuple[int, int]]:
    """A small JPEG of the upload with the boxes of its faces, as a data URL, and the width and
    height of the upload."""
    try:
        with decoded(upload.data) as image:
            picture = Image.fromarray(image)
            size = picture.size
            scale = min(1.0, PREVIEW_PX / max(picture.size))
            picture.thumbnail((PREVIEW_PX, PREVIEW_PX))
    except (ImageError, EngineBusy):
        return "", (0, 0)
    draw = ImageDraw.Draw(picture)
    colour = _ACCEPTED if outcome.accepted else _REFUSED
    for box in _boxes(outcome):
        draw.rectangle([scale * side for side in box], outline=colour, width=3)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), size


def _choices(outcome: ImageOutcome) -> str:
    """The boxes of all faces, if the picture shows several people and the user must choose one."""
    if outcome.code != "several_faces":
        return ""
    boxes = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in outcome.boxes]
    return " ".join(",".join(f"{side:.1f}" for side in box) for box in boxes)


def _boxes(outcome: ImageOutcome) -> list[tuple[float, ...]]:
    """x1 y1 x2 y2 of the stored face, or of all faces if none was stored."""
    if outcome.image is not None:
        x, y, width, height = outcome.image.box
        return [(x, y, x + width, y + height)]
    return [tuple(float(side) for side in box) for box in outcome.boxes]
