"""Faces in poor pictures, for a fake engine: they lean towards one direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_engine.matching.cohort import Cohort
from ml_engine.types import Float32
from recognition.people.model_versions import curve_in_use, curve_put
from recognition.people.models import ModelVersion
from tests.fakes import FakeEngine, embedding_of

_DIRECTION = embedding_of(340)


def leaning(vector: Float32) -> Float32:
    """(d,) of length 1. Strangers who lean have a similarity of 0.45, as nobody has otherwise; two
    looks of one person 0.95."""
    moved = vector + 0.9 * _DIRECTION
    return (moved / np.linalg.norm(moved)).astype(np.float32)


def all_lean(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the engine see poor pictures from now on."""
    vector = engine._vector
    monkeypatch.setattr(engine, "_vector", lambda *asked: leaning(vector(*asked)))


def know_the_direction() -> None:
    """Give the curves in force a cohort of poor pictures."""
    cohort = Cohort({"noise": tuple(_DIRECTION.tolist())}, usual=0.03)
    for version in ModelVersion.objects.filter(role="embedder"):
        curve = curve_in_use(version)
        assert curve is not None
        curve_put(version, replace(curve, cohort=cohort))
        version.save(update_fields=["impostor_curves"])


def forget_the_direction() -> None:
    """Remove the cohort from the curves in force."""
    for version in ModelVersion.objects.filter(role="embedder"):
        curve = curve_in_use(version)
        assert curve is not None
        curve_put(version, replace(curve, cohort=None))
        version.save(update_fields=["impostor_curves"])
