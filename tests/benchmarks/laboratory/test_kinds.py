"""Strangers named in kinds of poor pictures, among made-up people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.laboratory.kinds import MIXED, Parts, _drawn, fitted_curve, kinds_report
from ml_engine.evaluation.collect import Collected, Variant
from ml_engine.evaluation.lfw import Photos
from ml_engine.types import EngineError, Face, Float32
from tests.ml_engine.vectors import unit_vectors

_FACE = Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.99)
_DIMENSION = 64
PLAIN, AVERAGED = Variant("m"), Variant("m", flip=True)


def _faces(identities: Float32, leaning: float, seed: int) -> Collected:
    """One photo each of these people, all of which lean towards one direction."""
    vectors = identities + 0.3 * unit_vectors(len(identities), _DIMENSION, seed=seed)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:, 0] += leaning
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Collected([_FACE] * len(vectors), {PLAIN: vectors, AVERAGED: vectors})


def _photos(people: np.ndarray) -> Photos:
    names = [f"p{number}" for number in range(people.max() + 1)]
    return Photos([Path(f"{row}.jpg") for row in range(len(people))], people, names)


def test_the_cohort_keeps_the_promise_in_a_kind_of_poor_picture() -> None:
    people = np.sort(np.concatenate([np.arange(700), np.arange(100)]))
    identities = unit_vectors(700, _DIMENSION, seed=1)[people]
    is_first = np.append(True, people[1:] != people[:-1])
    parts = Parts(
        enrolled=np.flatnonzero((people < 100) & is_first),
        probes=np.flatnonzero((people < 100) & ~is_first),
        strangers=np.flatnonzero(people >= 100),
        rest=np.arange(0),
    )
    faces = {"clean": _faces(identities, 0, 2), "noise": _faces(identities, 0.5, 3)}
    others = unit_vectors(800, _DIMENSION, seed=4)
    curve = fitted_curve(
        {"clean": _faces(others, 0, 5), "noise": _faces(others, 0.5, 6)},
        _photos(np.arange(800)),
        preset="m",
        versions=("m@1", "d@1"),
    )
    report = kinds_report(faces, _photos(people), parts, preset="m", curve=curve)
    assert (report.enrolled, report.probes, report.strangers) == (100, 100, 600)
    cells = {(cell.enrolled, cell.seen): cell for cell in report.cells}
    assert set(cells) == {(a, b) for a in (*faces, MIXED) for b in (*faces, MIXED)}
    noise = cells["noise", "noise"]
    assert noise.before[0] > 0.05 > 0.03 > noise.strangers.value
    assert noise.strangers.low <= noise.strangers.value <= noise.strangers.high
    assert cells["clean", "clean"].known > cells["clean", "clean"].before[1] - 0.03
    assert cells["noise", "noise"].refused == 0
    assert "| noise | noise |" in report.as_text()
    assert report.as_dict()["preset"] == "m"


def test_nobody_has_two_parts_in_the_measurement() -> None:
    people = np.sort(np.concatenate([np.arange(50), np.arange(20), np.arange(20)]))
    parts = _drawn(people, 10, 25)
    enrolled, probes, strangers, rest = (
        set(people[rows].tolist())
        for rows in (parts.enrolled, parts.probes, parts.strangers, parts.rest)
    )
    assert (len(enrolled), len(strangers), len(rest)) == (10, 25, 15)
    assert probes == enrolled
    assert not (enrolled & strangers or enrolled & rest or strangers & rest)
    with pytest.raises(EngineError, match="needed"):
        _drawn(people, 30, 10)
