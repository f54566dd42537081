"""Percentiles, and slopes with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEVEL = 0.95


def percentile(values: Sequence[float], percent: float) -> float:
    """NaN if there are no values."""
    return float(np.percentile(values, percent)) if len(values) else float("nan")


@dataclass(frozen=True, slots=True)
class Slope:
    """Change a minute by least squares, and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def slope_of(minutes: Sequence[float], values: Sequence[float]) -> Slope:
    """Of the means of whole minutes: samples that follow each other closely are alike, and would
    make the interval too narrow. NaN with fewer than three minutes."""
    means = minute_means(minutes, values)
    if len(means) < 3:
        return Slope(*[float("nan")] * 3)
    from scipy import stats

    x, y = np.asarray(means).T
    spread = ((x - x.mean()) ** 2).sum()
    value = ((x - x.mean()) * (y - y.mean())).sum() / spread
    rest = y - y.mean() - value * (x - x.mean())
    error = np.sqrt((rest**2).sum() / (len(x) - 2) / spread)
    half = stats.t.ppf((1 + _LEVEL) / 2, len(x) - 2) * error
    # Rounded: a figure that never changes may have a slope of 1e-17.
    return Slope(*(round(float(value + part), 9) for part in (0, -half, half)))


def minute_means(minutes: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """The middle and the mean of each minute."""
    whole = np.floor(np.asarray(minutes, float)).astype(int)
    found = np.asarray(values, float)
    return [(float(m) + 0.5, float(found[whole == m].mean())) for m in np.unique(whole)]
