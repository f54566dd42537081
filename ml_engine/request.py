"""The request to an engine: which faces a caller wants, and how the call queues.

The only definition of these options. Engines, detectors, REST, enrolment and live streams share it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ml_engine.types import Face

# x1, y1, x2, y2 in pixels of the picture; the part outside of the picture is cut off.
Region = tuple[float, float, float, float]
Priority = Literal["interactive", "bulk"]
# Milliseconds by stage, added to the values that are there already.
Timings = dict[str, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which faces of a picture.

    min_face_px, max_face_px: limits for the shorter side of a face's box; no face beyond them is
        returned. Without a minimum the engine's own holds; detection takes time with the inverse
        square of it.
    score_threshold: least detection score, 0 to 1; None is the detector's own.
    max_faces: the largest ones of each picture; None is all of them.
    region: look in this part of each picture alone.
    any_turn: a picture without a face that is certain is looked at turned as well, by 90, 180 and
        270 degrees. For photos; a live picture is not worth four looks.
    """

    min_face_px: int | None = None
    max_face_px: int | None = None
    score_threshold: float | None = None
    max_faces: int | None = None
    region: Region | None = None
    any_turn: bool = False

    def for_detector(self, min_face_px: int) -> Wanted:
        """The part that a detector obeys, with a minimum for calls without one.

        Calls with equal values may share a batch.
        """
        # "The largest faces that are not too large" needs all faces first.
        max_faces = self.max_faces if self.max_face_px is None else None
        return Wanted(
            min_face_px=self.min_face_px or min_face_px,
            score_threshold=self.score_threshold,
            max_faces=max_faces,
        )

    def among(self, faces: Sequence[Face]) -> list[Face]:
        """Of faces from a detector, largest first, the wanted ones. Detectors look for faces of
        about the least size, and return smaller ones, too."""
        if self.min_face_px is not None:
            faces = [face for face in faces if face.size_px >= self.min_face_px]
        if self.max_face_px is not None:
            faces = [face for face in faces if face.size_px <= self.max_face_px]
        return list(faces[: self.max_faces])


@dataclass(frozen=True, slots=True)
class Ask:
    """How a call queues.

    priority: "bulk" lets interactive calls go first.
    caller: a stream or an API key; callers take turns. All calls without one count as one caller.
    deadline_s: seconds from the start of the call after which its answer is of no use: it is
        refused then (DeadlineExceeded), waiting or running.
    timings: receives milliseconds by stage: `queue`, `detect`, `align` (cutting faces out and
        measuring them) and `embed`.
    """

    priority: Priority = "interactive"
    caller: Hashable = None
    deadline_s: float | None = None
    timings: Timings | None = field(default=None, compare=False)


EVERY_FACE = Wanted()
# Every face of a photo, which may lie on its side.
PHOTO = Wanted(any_turn=True)
ORDINARY = Ask()
