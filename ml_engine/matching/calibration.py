"""What a score means: how often two strangers reach it.

An impostor curve holds, for one model, the similarity that a share of all impostor pairs reaches
or exceeds. Between its points, and beyond the last one, the logarithm of the rate falls linearly
with the score, as the tails of such scores do to a good approximation; beyond the last point it is
an extrapolation, and `is_extrapolated` says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_CURVES_DIR = Path(__file__).resolve().parent.parent / "zoo" / "curves"
# One visit of a stranger in a hundred may be given a name, by default.
DEFAULT_FPIR = 0.01


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """model: preset. scores: rising. rates: false-match rate at each, falling. source: of the
    pairs, for people. pairs: how many were compared."""

    model: str
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    pairs: int
    source: str

    def fmr(self, score: float) -> float:
        """How often a comparison of two strangers reaches `score`."""
        logs = np.log(self.rates)
        if score > self.scores[-1]:
            slope = (logs[-1] - logs[-2]) / (self.scores[-1] - self.scores[-2])
            return float(np.exp(logs[-1] + slope * (score - self.scores[-1])))
        return float(np.exp(np.interp(score, self.scores, logs)))

    def threshold(self, fmr: float) -> float:
        """The least score that strangers reach no more often than `fmr`; at most 1."""
        logs = np.log(self.rates)
        wanted = np.log(max(fmr, 1e-300))
        if wanted < logs[-1]:
            slope = (self.scores[-1] - self.scores[-2]) / (logs[-1] - logs[-2])
            return float(min(1.0, self.scores[-1] + slope * (wanted - logs[-1])))
        return float(np.interp(-wanted, -logs, self.scores))

    def threshold_for_gallery(self, templates: int, fpir: float = DEFAULT_FPIR) -> float:
        """A stranger is compared with every template: each may match no more often than
        fpir / templates, so that one of them does no more often than `fpir`."""
        return self.threshold(fpir / max(1, templates))

    def is_extrapolated(self, score: float) -> bool:
        return score > self.scores[-1]

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model,
            "pairs": self.pairs,
            "source": self.source,
            "scores": list(self.scores),
            "rates": list(self.rates),
        }

    @classmethod
    def from_dict(cls, values: dict) -> ImpostorCurve:
        return cls(
            model=values["model"],
            scores=tuple(values["scores"]),
            rates=tuple(values["rates"]),
            pairs=int(values["pairs"]),
            source=values["source"],
        )


@cache
def curve_of(preset: str) -> ImpostorCurve:
    """The curve that comes with a preset; KeyError where it has none."""
    path = _CURVES_DIR / f"{preset}.json"
    if not path.exists():
        raise KeyError(f"The preset {preset} has no impostor score curve.")
    return ImpostorCurve.from_dict(json.loads(path.read_text()))
