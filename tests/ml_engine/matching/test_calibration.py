"""Impostor curves: rates of scores and scores of rates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import curve_of, read_curve
from ml_engine.matching.cohort import Cohort
from ml_engine.types import Float32, ModelMismatch
from ml_engine.zoo import Preset, presets_of

CURVE = ImpostorCurve("m", "d", (0.2, 0.4, 0.6), (1e-1, 1e-3, 1e-5), 1000, "test")


def test_curve_is_log_linear_between_its_points() -> None:
    assert CURVE.fmr(0.4) == pytest.approx(1e-3)
    assert CURVE.fmr(0.5) == pytest.approx(1e-4)
    assert CURVE.threshold(1e-4) == pytest.approx(0.5)


def test_curve_beyond_its_last_point_is_extrapolated_and_flagged() -> None:
    assert CURVE.fmr(0.7) == pytest.approx(1e-6)
    assert CURVE.is_extrapolated(0.7)
    assert not CURVE.is_extrapolated(0.6)
    assert CURVE.threshold(1e-6) == pytest.approx(0.7)
    assert CURVE.threshold(1e-30) == 1.0
    assert CURVE.threshold(0.0) == 1.0


def test_curve_below_its_first_point_keeps_the_first_rate() -> None:
    assert CURVE.fmr(-1.0) == pytest.approx(1e-1)
    assert CURVE.threshold(0.9) == pytest.approx(0.2)


def test_threshold_and_rate_are_inverse() -> None:
    for rate in np.geomspace(1e-7, 1e-1, 13):
        assert CURVE.fmr(CURVE.threshold(float(rate))) == pytest.approx(float(rate))


def test_a_larger_gallery_needs_a_higher_threshold() -> None:
    assert CURVE.threshold_for_gallery(10, fpir=0.01) == pytest.approx(CURVE.threshold(1e-3))
    assert CURVE.threshold_for_gallery(1000) > CURVE.threshold_for_gallery(100)
    assert CURVE.threshold_for_gallery(0) == CURVE.threshold_for_gallery(1)


def test_curve_is_extrapolated_along_its_last_decade() -> None:
    """Two last points close together must not set the slope alone."""
    curve = ImpostorCurve("m", "d", (0.2, 0.4, 0.401), (1e-2, 1e-4, 5e-5), 1000, "test")
    assert curve.fmr(0.601) == pytest.approx(5e-5 * (5e-3) ** (0.2 / 0.201), rel=1e-6)


def _from_scores(scores: Float32, weights: Float32 | None = None) -> ImpostorCurve:
    return ImpostorCurve.from_scores(
        scores, model="m", detector="d", source="made up", weights=weights
    )


def test_a_curve_of_scores_gives_their_rates() -> None:
    scores = np.random.default_rng(0).normal(0.1, 0.1, 200_000).astype(np.float32)
    curve = _from_scores(scores)
    assert curve.pairs == 200_000
    assert list(curve.scores) == sorted(curve.scores)
    assert curve.rates[-1] == pytest.approx(5e-5)
    for rate in (0.3, 1e-2, 1e-3, 1e-4):
        threshold = curve.threshold(rate)
        assert (scores >= threshold).mean() == pytest.approx(rate, rel=0.1)
        assert curve.fmr(threshold) == pytest.approx(rate)


def test_weights_let_every_two_people_count_the_same() -> None:
    """A pair of people with many photos scores high, and is one pair of people all the same."""
    ordinary = np.linspace(0, 0.5, 10_000, dtype=np.float32)
    crowd = np.full(10_000, 0.6, np.float32)
    scores = np.concatenate([ordinary, crowd])
    weights = np.concatenate([np.ones(10_000), np.full(10_000, 1e-4)]).astype(np.float32)
    weighted = _from_scores(scores, weights)
    assert weighted.threshold(0.1) == pytest.approx(0.45, abs=0.01)
    assert _from_scores(scores).threshold(0.1) >= 0.59


@pytest.mark.parametrize("scores", [[], [0.5] * 6, [0.5] * 1000])
def test_too_few_scores_make_no_curve(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="too few"):
        _from_scores(np.array(scores, np.float32))


def test_written_curve_is_read_back_unchanged() -> None:
    assert ImpostorCurve.from_dict(CURVE.to_dict()) == CURVE


SHORT = ImpostorCurve("m", "d", (0.25, 0.35, 0.45), (1e-1, 1e-2, 1e-3), 5000, "own")


def test_short_curve_is_extended_along_the_curve_of_the_model() -> None:
    longer = SHORT.continued_by(CURVE)
    assert longer.scores[:3] == SHORT.scores
    assert longer.threshold(1e-3) == pytest.approx(0.45)
    assert longer.threshold(1e-5) == pytest.approx(0.45 + 1.0 * (0.6 - 0.4))
    assert (longer.pairs, longer.source, longer.measured_until) == (5000, "own", 0.45)
    assert not longer.is_extrapolated(0.45)
    assert longer.is_extrapolated(0.46)
    assert list(longer.scores) == sorted(longer.scores)


@pytest.mark.parametrize(("end", "stretch"), [(0.43, 0.9), (0.47, 1.1), (0.60, 1.25)])
def test_extension_is_scaled_within_a_limit(end: float, stretch: float) -> None:
    short = ImpostorCurve("m", "d", (0.25, end), (1e-1, 1e-3), 5000, "own")
    assert short.continued_by(CURVE).threshold(1e-5) == pytest.approx(end + stretch * 0.2)


def test_extension_is_limited_to_a_rate_a_hundred_times_lower() -> None:
    short = ImpostorCurve("m", "d", (-0.2, 0.0), (1e-1, 1e-3), 5000, "own")
    assert short.continued_by(CURVE).threshold(1e-5) == pytest.approx(CURVE.threshold(1e-3))


def test_threshold_is_at_most_one() -> None:
    """Even where strangers are so alike that the curve would be taken on beyond it."""
    short = ImpostorCurve("m", "d", (0.5, 0.9), (1e-1, 1e-3), 5000, "own")
    longer = short.continued_by(CURVE)
    assert longer.scores[-1] > 1
    assert longer.threshold(1e-5) == 1.0
    assert longer.threshold_for_gallery(10_000) == 1.0


def test_curve_longer_than_that_of_the_model_is_not_extended() -> None:
    long = ImpostorCurve("m", "d", (0.25, 0.7), (1e-1, 1e-6), 10**9, "own")
    assert long.continued_by(CURVE).scores == long.scores


def test_extended_curve_survives_serialisation() -> None:
    longer = SHORT.continued_by(CURVE)
    assert ImpostorCurve.from_dict(longer.to_dict()) == longer


@pytest.mark.parametrize("other", [("m2", "d"), ("m", "d2")], ids=["embedder", "detector"])
def test_curve_is_not_extended_by_one_of_another_model(other: tuple[str, str]) -> None:
    with pytest.raises(ModelMismatch):
        SHORT.continued_by(replace(CURVE, model=other[0], detector=other[1]))


@pytest.mark.parametrize(
    ("embedder", "detector"),
    [
        ("mobilefacenet", "other"),
        ("other", "mtcnn"),
        ("mobilefacenet@000000000000", "mtcnn"),
        ("mobilefacenet", "mtcnn@000000000000"),
        ("../curves/mobilefacenet", "mtcnn"),
    ],
)
def test_pair_of_models_without_a_curve_is_a_key_error(embedder: str, detector: str) -> None:
    with pytest.raises(KeyError, match="no impostor score curve"):
        curve_of(embedder, detector)


def test_read_curve_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    path.write_text(json.dumps(CURVE.to_dict()))
    assert read_curve(path, model="m", detector="d") == CURVE
    with pytest.raises(ModelMismatch, match="not with m and d2"):
        read_curve(path, model="m", detector="d2")


def test_a_curve_keeps_its_cohort_and_the_rises_of_means() -> None:
    cohort = Cohort({"noise": (0.6, 0.8)}, usual=0.03)
    whole = replace(CURVE, cohort=cohort, mean_rises=((2, 0.01), (5, 0.03)))
    assert ImpostorCurve.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
    own = replace(CURVE, source="the collection's own people")
    continued = own.continued_by(whole)
    assert (continued.cohort, continued.mean_rises) == (cohort, whole.mean_rises)


def test_curve_is_not_continued_by_one_of_another_normalisation() -> None:
    with pytest.raises(ModelMismatch, match="normalisation"):
        CURVE.continued_by(replace(CURVE, normalisation="crowd@1"))


def test_the_mean_of_more_templates_raises_the_threshold_more() -> None:
    curve = replace(CURVE, mean_rises=((2, 0.01), (5, 0.03)))
    assert curve.mean_rise(1) == 0
    assert curve.mean_rise(2) == pytest.approx(0.01)
    assert 0.01 < curve.mean_rise(3) < 0.03
    assert curve.mean_rise(500) == pytest.approx(0.03)
    assert CURVE.mean_rise(7) == 0


@pytest.mark.parametrize("embedder", presets_of("embedder"), ids=lambda card: card.name)
def test_each_curve_of_the_zoo_has_a_cohort_of_its_embedder(embedder: Preset) -> None:
    curve = curve_of(embedder.name, "mtcnn")
    assert curve.cohort is not None
    assert {len(each) for each in curve.cohort.means.values()} == {embedder.dimension}
    assert curve.normalisation == curve.cohort.normalisation
    assert curve.mean_rises
