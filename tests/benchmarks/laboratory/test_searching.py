"""Approximate search compared with exact search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.laboratory.searching import Seen, all_faces, neighbours, search_report
from ml_engine.engine import FaceEngine
from ml_engine.matching.scanners import ByteScanner
from tests.ml_engine.vectors import people, unit_vectors

DIMENSION = 32


def _seen(seed: int) -> Seen:
    vectors, _ = people(60, 2, DIMENSION, spread=0.5, seed=seed)
    return Seen(vectors[::2], vectors[1::2])


def test_all_kinds_are_held_against_the_exact_one() -> None:
    known = unit_vectors(200, DIMENSION, seed=1)
    report = search_report("made up", known, {"one": _seen(2), "other": _seen(3)}, size=11_000)
    assert report.templates == 11_000
    assert [(row.kind, row.source, row.queries) for row in report.found] == [
        (kind, source, 60) for kind in ("int8", "ivf") for source in ("one", "other")
    ]
    for row in report.found:
        if row.kind != "ivf":
            assert row.top_1 == 1
            assert row.recall > 0.99
    assert "int8" in report.as_text()


def test_a_search_that_loses_what_it_should_find_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dimensions learnt from faces in a plane, tested with faces outside of it."""
    monkeypatch.setattr(ByteScanner, "candidates", lambda self, k: k)
    known = unit_vectors(200, DIMENSION, seed=1)
    known[:, 8:] = 0
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    report = search_report("made up", known, {"one": _seen(2)}, size=11_000)
    assert next(row.recall for row in report.found if row.kind == "int8") < 0.97


def test_neighbours_are_near_a_template_and_no_copies() -> None:
    known = unit_vectors(50, DIMENSION, seed=1)
    made = neighbours(known, 500)
    assert made.shape == (500, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    nearest = (made @ known.T).max(axis=1)
    assert np.median(nearest) > 0.7
    assert (nearest < 0.999).mean() > 0.9


@pytest.mark.weights
def test_every_face_of_every_photo_comes_twice_for_each_embedder(
    real_engine: FaceEngine, sample_photo: object, weights_dir: Path
) -> None:
    paths = [weights_dir / "samples-obama.jpg", weights_dir / "samples-biden.jpg"]
    for name in ("obama", "biden"):
        sample_photo(name)  # type: ignore[operator]
    seen = all_faces(real_engine, paths, ["mobilefacenet"], "faces")["mobilefacenet"]
    assert seen.enrolled.shape == seen.live.shape == (2, 192)
    own = np.sum(seen.enrolled * seen.live, axis=1)
    assert ((own > 0.9) & (own < 0.9999)).all(), "one is averaged with its mirror image"
