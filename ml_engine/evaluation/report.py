"""What every command does with its report: text on the screen, JSON and a picture in files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Report(Protocol):
    def as_text(self) -> str: ...

    def as_dict(self) -> dict[str, object]: ...


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def write_json(reports: Sequence[Report], path: Path) -> None:
    """One report as an object, several as a list."""
    values = [report.as_dict() for report in reports]
    text = json.dumps(values[0] if len(values) == 1 else values, indent=2)
    path.write_text(text + "\n")
