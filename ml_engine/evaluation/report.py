"""What every command does with its report: text on the screen, JSON and a picture in files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
