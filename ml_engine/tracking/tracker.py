"""A small tracker: faces of a new frame are given to the tracks that they overlap most.

Faces move little between frames and rarely cross, so overlap with the expected place of a face
(moved on at its last speed) is enough. If two faces cross and are confused, the live session
notices it when it looks at their identities again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ml_engine.geometry import iou
from ml_engine.types import Face, Float32

# A face may jump by its own width between slow frames: then its centre still decides.
_CENTRE_REACH = 1.2
# However long the time between two frames, a face further away than this is another one.
_FURTHEST_REACH = 3.0


@dataclass(slots=True)
class Track:
    """One face over time. number: unique in its tracker."""

    number: int
    face: Face
    first_s: float
    last_s: float
    velocity: Float32 = field(default_factory=lambda: np.zeros(2, np.float32))  # pixels a second

    def expected_box(self, at_s: float) -> Float32:
        shift = self.velocity * np.float32(min(at_s - self.last_s, 0.5))
        return self.face.box + np.tile(shift, 2)

    def see(self, face: Face, at_s: float) -> None:
        passed = max(at_s - self.last_s, 1e-3)
        moved = (_centre(face.box) - _centre(self.face.box)) / np.float32(passed)
        self.velocity = 0.5 * self.velocity + 0.5 * moved
        self.face = face
        self.last_s = at_s


class Tracker:
    """Args:

    min_iou: least overlap with the expected place.
    max_gap_s: a track that was not seen for longer is over.
    """

    def __init__(self, *, min_iou: float = 0.25, max_gap_s: float = 1.5) -> None:
        self._min_iou = min_iou
        self._max_gap_s = max_gap_s
        self._next_number = 1
        self.tracks: list[Track] = []

    def update(
        self, faces: list[Face], at_s: float, *, stretch: float = 1.0
    ) -> tuple[list[Track], list[Track]]:
        """The track of each face, in their order, and the tracks that are over now.

        stretch: how many times longer than usual the time between frames is, because some were
            lost. Gaps may be longer then, and faces come further.
        """
        assigned = self._assign(faces, at_s, stretch)
        seen: list[Track] = []
        for face, track in zip(faces, assigned, strict=True):
            if track is None:
                track = Track(self._next_number, face, at_s, at_s)
                self._next_number += 1
                self.tracks.append(track)
            else:
                track.see(face, at_s)
            seen.append(track)
        return seen, self._drop_old(at_s, self._max_gap_s * stretch)

    def exchange(self, number: int, other: int) -> None:
        """Two tracks were confused: each goes on with the face of the other."""
        for track in self.tracks:
            if track.number in (number, other):
                track.number = other if track.number == number else number

    def _drop_old(self, at_s: float, max_gap_s: float) -> list[Track]:
        over = [track for track in self.tracks if at_s - track.last_s > max_gap_s]
        if over:
            self.tracks = [track for track in self.tracks if track not in over]
        return over

    def _assign(self, faces: list[Face], at_s: float, stretch: float) -> list[Track | None]:
        assigned: list[Track | None] = [None] * len(faces)
        if not faces or not self.tracks:
            return assigned
        boxes = np.stack([face.box for face in faces])
        expected = np.stack([track.expected_box(at_s) for track in self.tracks])
        reach = min(_CENTRE_REACH * stretch, _FURTHEST_REACH)
        closeness = _closeness(boxes, expected, reach)
        # Greedy, closest pairs first.
        for flat in np.argsort(-closeness, axis=None):
            row, column = np.unravel_index(flat, closeness.shape)
            if closeness[row, column] < self._min_iou:
                break
            assigned[row] = self.tracks[column]
            closeness[row, :] = closeness[:, column] = -1.0
        return assigned


def _centre(box: Float32) -> Float32:
    return (box[:2] + box[2:]) / np.float32(2)


def _closeness(boxes: Float32, expected: Float32, reach: float) -> Float32:
    """(n, m): overlap; for boxes apart but near and of like size, a little above the least.

    reach: how far apart their centres may be, in widths of a face.
    """
    overlap = iou(boxes, expected)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    others = (expected[:, :2] + expected[:, 2:]) / 2
    sizes = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1)[:, None]
    other_sizes = (expected[:, 2:] - expected[:, :2]).mean(axis=1)[None]
    distance = np.linalg.norm(centres[:, None] - others[None], axis=2)
    like = np.minimum(sizes, other_sizes) / np.maximum(sizes, other_sizes)
    near = (distance < reach * np.minimum(sizes, other_sizes)) & (like > 0.6)
    fallback = 0.3 * (1 - distance / (reach * np.maximum(sizes, 1e-6)))
    beside = np.where(near, np.maximum(fallback, 0.26), 0.0)
    return np.maximum(overlap, beside).astype(np.float32)
