"""A threshold that was set on half of the people, tested on the other half."""

from __future__ import annotations

import numpy as np

from benchmarks.laboratory.halves import halves_report
from tests.ml_engine.vectors import people, unit_vectors


def test_made_up_strangers_are_named_as_often_as_was_asked_for() -> None:
    known, owners = people(300, 2, 40, spread=0.5)
    strangers = unit_vectors(500, 40, seed=9)
    embeddings = np.concatenate([known, strangers])
    everybody = np.concatenate([owners, np.arange(300, 800)])
    report = halves_report(embeddings, everybody, preset="made up", flip=False, halves=20)
    assert (report.enrolled, report.strangers) == (150, 250)
    low, median, high = report.fpir
    assert low <= median <= high
    assert 0.004 <= median <= 0.02
    assert report.in_band > 0.6
    assert report.in_band <= report.in_band_of_best
    assert len(report.fpirs) == 20
    assert "20 halves of 150 enrolled and 250 strangers" in report.as_text()
