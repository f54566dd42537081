"""Does quality predict errors? The error-versus-discard curve.

The threshold is set so that a fixed share of LFW's pairs of strangers match. Then the genuine pairs
with the worst quality (that of the worse photo) are discarded step by step. If quality predicts
errors, the share of genuine pairs that do not match (FNMR) falls; the faster it falls, the better.
The curve is drawn for the quality score and for each of its parts. Grother, Tabassi, "Performance
of Biometric Quality Measures", 2007.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.collect import Collected, Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import Photos, load_photos
from ml_engine.evaluation.verification import all_scores, operating_point
from ml_engine.matching.discard import SHARES, discard_curve
from ml_engine.types import Face, Float32, Quality

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

FMR = 1e-4
SHOWN = (0.0, 0.1, 0.2, 0.3)


@dataclass(frozen=True, slots=True)
class DiscardReport:
    """fnmr: for each measure the share of pairs not matched after each of `shares` was thrown
    away."""

    preset: str
    fmr: float
    threshold: float
    pairs: int
    shares: tuple[float, ...]
    fnmr: dict[str, list[float]] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        head = "".join(f"{share:8.0%}" for share in SHOWN)
        lines = [
            f"{self.preset} on LFW, {self.pairs:,} genuine pairs, threshold {self.threshold:.4f} "
            f"(FMR {self.fmr:.0e})",
            f"FNMR after throwing away the worst {head}",
        ]
        for name, values in self.fnmr.items():
            at = dict(zip(self.shares, values, strict=True))
            lines.append(f"  by {name:28}" + "".join(f"{at[share]:8.4f}" for share in SHOWN))
        return "\n".join(lines)


def evaluate_quality(engine: FaceEngine, data: Path, preset: str) -> DiscardReport:
    photos = load_photos(data)
    variant = Variant(preset)
    found = collect(engine, photos.paths, [variant], choose=nearest_centre, title="LFW")
    return discard_report(photos, found, variant)


def discard_report(photos: Photos, found: Collected, variant: Variant) -> DiscardReport:
    genuine, impostors = all_scores(found.embeddings[variant], photos.people, found.has_face)
    point = operating_point(genuine, np.sort(impostors)[::-1], FMR)
    is_missed = genuine < point.threshold
    fnmr = {
        name: discard_curve(is_missed, pair_values(values, photos.people))
        for name, values in measures(found.faces).items()
    }
    return DiscardReport(variant.preset, FMR, point.threshold, len(genuine), SHARES, fnmr)


def measures(faces: list[Face | None]) -> dict[str, Float32]:
    """Name to a value for each photo, better when higher; the lowest of all without a face."""

    def values(part: Callable[[Quality], float]) -> Float32:
        return np.array(
            [part(face.quality) if face and face.quality else -np.inf for face in faces],
            np.float32,
        )

    return {
        "quality": values(lambda q: q.score),
        "size": values(lambda q: q.size_px),
        "detail": values(lambda q: q.detail_px),
        "sharpness": values(lambda q: q.sharpness),
        "noise": values(lambda q: -q.noise),
        "blocking": values(lambda q: -q.blocking),
        "brightness (nearness to 130)": values(lambda q: -abs(q.brightness - 130)),
        "yaw": values(lambda q: -abs(q.yaw)),
        "pitch": values(lambda q: -abs(q.pitch)),
        "roll": values(lambda q: -abs(q.roll)),
        "detection score": values(lambda q: q.detection),
    }


def pair_values(values: Float32, people: NDArray[np.intp]) -> Float32:
    """The worse value of each genuine pair, in the order of `all_scores`."""
    parts = []
    for row in range(len(values) - 1):
        others = np.flatnonzero(people[row + 1 :] == people[row]) + row + 1
        parts.append(np.minimum(values[row], values[others]))
    return np.concatenate(parts)
