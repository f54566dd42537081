"""Faces in pictures: found, measured, embedded, compared. A library without Django.

    from ml_engine import load_engine
    faces = load_engine().analyze([image])[0]

Importing it loads no TensorFlow; building an engine does what is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_engine.config import EngineConfig
from ml_engine.types import (
    DeadlineExceeded,
    EngineBusy,
    EngineClosed,
    EngineError,
    Face,
    ImageError,
    ModelMismatch,
    Quality,
    WeightsUnavailable,
)

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

__all__ = [
    "DeadlineExceeded",
    "EngineBusy",
    "EngineClosed",
    "EngineConfig",
    "EngineError",
    "Face",
    "ImageError",
    "ModelMismatch",
    "Quality",
    "WeightsUnavailable",
    "load_engine",
]


def load_engine(config: EngineConfig | None = None) -> FaceEngine:
    """Build an engine from weights that were fetched; WeightsUnavailable says what is missing."""
    from ml_engine.engine import FaceEngine

    return FaceEngine(config or EngineConfig())
