"""Impostor curves from embeddings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ml_engine.config import EngineConfig
from ml_engine.evaluation import calibrate
from ml_engine.evaluation.calibrate import (
    impostor_curve,
    impostor_scores,
    merged_people,
    scores_at,
    write_curve,
)
from ml_engine.evaluation.lfw import Photos
from ml_engine.matching.calibration import RATES, ImpostorCurve, curve_of
from ml_engine.matching.cohort import PLAIN
from ml_engine.types import Float32
from ml_engine.zoo import preset, presets_of


def _photos(people: list[int], names: list[str]) -> Photos:
    return Photos([Path(f"{row}.jpg") for row in range(len(people))], np.array(people), names)


def _unit(count: int, seed: int) -> Float32:
    vectors = np.random.default_rng(seed).normal(size=(count, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_impostor_scores_are_of_strangers_each_pair_once() -> None:
    people = np.array([0, 0, 1, 2])
    left, right = _unit(4, 0), _unit(4, 1)
    found = impostor_scores(PLAIN.seen(left), PLAIN.seen(right), people)
    wanted = [float(left[a] @ right[b]) for a, b in ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    np.testing.assert_allclose(sorted(found), sorted(wanted), rtol=1e-5)


def test_scores_at_are_reached_by_that_share() -> None:
    scores = (np.random.default_rng(0).permutation(1000) / 1000).astype(np.float32)
    for rate, score in zip(
        (0.5, 0.01, 0.001), scores_at(scores, 1000, (0.5, 0.01, 0.001)), strict=True
    ):
        assert (scores >= score).mean() == pytest.approx(rate)


def test_two_names_of_one_person_are_no_impostor_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "ONE_PERSON", (("Ann", "Anne"), ("Zoe", "Not in the data")))
    merged = merged_people(_photos([0, 1, 2, 3, 1], ["Ann", "Anne", "Bob", "Zoe"]))
    assert merged[0] == merged[1] == merged[4]
    assert len({*merged.tolist()}) == 3


def test_a_curve_is_on_the_safe_side_and_no_longer_than_its_pairs_allow() -> None:
    people = list(range(150))
    plain, averaged = _unit(150, 3), _unit(150, 4)
    curve = impostor_curve(
        _photos(people, [f"p{n}" for n in people]),
        plain,
        averaged,
        model="tiny@1",
        detector="boxes@2",
    )
    assert curve.pairs == 150 * 149 // 2
    assert curve.rates == tuple(rate for rate in RATES if rate * curve.pairs >= 7)
    assert list(curve.scores) == sorted(curve.scores)
    for kind in ((plain, plain), (plain, averaged), (averaged, averaged)):
        scores = impostor_scores(PLAIN.seen(kind[0]), PLAIN.seen(kind[1]), np.array(people))
        for rate, score in zip(curve.rates, curve.scores, strict=True):
            assert (scores > score + 1e-4).mean() <= rate


def test_written_impostor_curve_is_read_back(tmp_path: Path) -> None:
    curve = ImpostorCurve("tiny@1", "boxes@2", (0.1, 0.2), (0.5, 0.01), 100, "made up")
    path = write_curve(curve, tmp_path / "curves")
    assert ImpostorCurve.from_dict(json.loads(path.read_text())) == curve
    assert [file.name for file in path.parent.iterdir()] == ["tiny.boxes.json"]


@pytest.mark.parametrize("name", [card.name for card in presets_of("embedder")])
def test_every_embedder_comes_with_a_curve_for_the_default_detector(name: str) -> None:
    curve = curve_of(name, EngineConfig().detector)
    assert (curve.model, curve.detector) == (preset(name).version, preset("mtcnn").version)
    assert curve_of(curve.model, curve.detector) == curve
    assert curve.pairs > 7_000_000
    assert list(curve.scores) == sorted(curve.scores)
    assert list(curve.rates) == sorted(curve.rates, reverse=True)
    assert curve.rates[-1] == pytest.approx(1e-6)
    per_decade = np.histogram(np.log10(curve.rates), np.arange(-6.1, 0))[0]
    assert per_decade.min() >= 3
    assert "LFW" in curve.source
