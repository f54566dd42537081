"""What every command does with its report: text on the screen, JSON and a picture in files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_Z = 1.96  # of a 95 % interval


class Report(Protocol):
    def as_text(self) -> str: ...

    def as_dict(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def share_interval(count: int, of: int) -> Interval:
    """Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927."""
    share, z2 = count / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return Interval(share, max(0.0, middle - half), middle + half)


def of_folds_text(folds: Sequence[int] | None) -> str:
    """For people: which part of LFW it was, after its name."""
    return f", folds {', '.join(map(str, folds))}" if folds else ""


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def write_json(reports: Sequence[Report], path: Path) -> None:
    """One report as an object, several as a list; folders are made."""
    values = [report.as_dict() for report in reports]
    text = json.dumps(values[0] if len(values) == 1 else values, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
