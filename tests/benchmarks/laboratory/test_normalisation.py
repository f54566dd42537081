"""Normalisation, measured on people who are in neither gallery nor crowd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.laboratory.normalisation import (
    HALVES,
    Enrolled,
    NormalisationReport,
    Part,
    normalisation_report,
)
from ml_engine.evaluation.lfw import Photos


def _part(seed: int) -> Part:
    """90 people with four photos each and 120 with one, as a network sees them that makes faces
    which are like many others."""
    random = np.random.default_rng(seed)
    people = np.concatenate([np.repeat(np.arange(90), 4), np.arange(90, 210)])
    sizes = np.exp(-np.arange(32) / 6)
    vectors = (random.standard_normal((210, 32)) * sizes)[people]
    vectors += 0.09 * random.standard_normal(vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    photos = Photos([Path(f"{n}.jpg") for n in people], people, [f"p{n}" for n in range(210)])
    return Part(people, vectors, vectors, photos)


@pytest.fixture(scope="module")
def report() -> NormalisationReport:
    parts = {folds: _part(seed) for seed, folds in enumerate(HALVES[0])}
    return normalisation_report(parts, preset="made up", cases=((1, False), (3, True)))


def test_report_compares_cohorts_on_other_people(report: NormalisationReport) -> None:
    one, mean = report.rows
    assert (one.photos, one.is_mean, mean.photos, mean.is_mean) == (1, False, 3, True)
    assert (one.enrolled, one.probes, mean.probes) == (90, 270, 90)
    assert list(one.fnir) == ["plain", "drawn", "other people", "those enrolled"]
    assert one.fnir["drawn"].value < one.fnir["plain"].value
    assert mean.fnir["plain"].value <= one.fnir["plain"].value


def test_default_thresholds_are_tried_on_the_strangers_of_both_halves(
    report: NormalisationReport,
) -> None:
    assert report.strangers == 240
    for row in report.rows:
        for named in row.named.values():
            assert named.low <= named.value <= named.high < 0.2
    assert "of 240." in report.as_text()


def test_photos_that_are_enrolled_are_no_probes() -> None:
    part = _part(3)
    enrolled = Enrolled.of(part, 3, is_mean=False)
    assert len(enrolled.vectors) == len(enrolled.people) == 270
    assert len(enrolled.probes) == 90
    for vector in part.plain[enrolled.probes]:
        assert not (enrolled.vectors == vector).all(axis=1).any()
