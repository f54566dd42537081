"""Faces in pictures: found, measured, embedded, compared. A library without Django.

    from ml_engine import load_engine
    faces = load_engine().analyze([image])[0]

Importing it loads no TensorFlow; building an engine loads what the engine needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_engine.config import EngineConfig
from ml_engine.request import Ask, Wanted
from ml_engine.types import (
    DeadlineExceeded,
    EngineBusy,
    EngineClosed,
    EngineError,
    Face,
    ImageError,
    ModelMismatch,
    ModelMissing,
    ModelUnusable,
    Quality,
    WeightsUnavailable,
)

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

__all__ = [
    "Ask",
    "DeadlineExceeded",
    "EngineBusy",
    "EngineClosed",
    "EngineConfig",
    "EngineError",
    "Face",
    "ImageError",
    "ModelMismatch",
    "ModelMissing",
    "ModelUnusable",
    "Quality",
    "Wanted",
    "WeightsUnavailable",
    "load_engine",
]


def load_engine(config: EngineConfig | None = None) -> FaceEngine:
    """An engine whose networks run in this process.

    Raises:
        WeightsUnavailable: weights are missing; the message says which, and how to fetch them.
    """
    from ml_engine.engine import FaceEngine
    from ml_engine.executor import LocalExecutor
    from ml_engine.runtime.gate import Gate

    chosen, gate = config or EngineConfig(), Gate()
    executor = LocalExecutor(chosen, in_flight=lambda: gate.inside)
    return FaceEngine(executor, chosen, gate)
