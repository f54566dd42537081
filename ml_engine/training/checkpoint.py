"""A run's state in one file, written beside and renamed: a kill at any moment leaves a whole one.

Random numbers are not part of it: those of a step depend on the seed and on the step's number
alone (`train.py`), and those of dropout layers are among the network's variables.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import EngineError

_FORMAT_VERSION = 1
Arrays = list[NDArray[Any]]


@dataclass(slots=True)
class Judged:
    """One point of the curve: the mean loss since the last one, and the figures on the others."""

    step: int
    loss: float
    rate: float
    auc: float
    accuracy: float


@dataclass(slots=True)
class Position:
    """Where a run stands.

    step: steps done. losses: of the steps since the last point of the curve.
    best_step: of the best point of the curve; 0 before the first one.
    """

    step: int = 0
    is_over: bool = False
    best_step: int = 0
    best_auc: float = -1.0
    losses: list[float] = field(default_factory=list)
    curve: list[Judged] = field(default_factory=list)


def save(path: Path, position: Position, groups: Mapping[str, Sequence[Any]]) -> None:
    """groups: name to arrays, or to variables."""
    content = io.BytesIO()
    arrays = {
        f"{name}/{number}": np.asarray(value)
        for name, values in groups.items()
        for number, value in enumerate(values)
    }
    text = json.dumps({"version": _FORMAT_VERSION, **asdict(position)})
    arrays["position"] = np.array(text)
    np.savez(content, allow_pickle=False, **arrays)
    beside = path.with_suffix(".part")
    beside.write_bytes(content.getvalue())
    beside.replace(path)


def restore(path: Path, groups: Sequence[str]) -> tuple[Position, dict[str, Arrays]] | None:
    """What `save` wrote; None if there is no file.

    Raises:
        EngineError: the file is damaged, or of another version.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = json.loads(str(file["position"]))
            arrays = {name: _group(file, name) for name in groups}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EngineError(f"{path} is no checkpoint: {error}") from error
    if stored.pop("version") != _FORMAT_VERSION:
        raise EngineError(f"{path} is of another version of this program.")
    stored["curve"] = [Judged(**point) for point in stored["curve"]]
    return Position(**stored), arrays


def _group(file: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    count = sum(key.startswith(f"{name}/") for key in file)
    return [file[f"{name}/{number}"] for number in range(count)]
