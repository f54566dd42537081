"""Each change of a picture is drawn within its limits, and again the same from the same seed."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from ml_engine.training.augmentation import STRENGTHS, Strength, augmented
from tests.ml_engine.training.invented import invented_people

_CHANGES = [f.name for f in fields(Strength) if f.name != "cut_out_share"]


def _pictures(channels: int = 1) -> np.ndarray:
    return np.repeat(invented_people(4, 2).pictures, channels, axis=3)


def test_strength_none_leaves_pictures_as_they_are() -> None:
    found = augmented(_pictures(), STRENGTHS["none"], np.random.default_rng(0))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, _pictures())


@pytest.mark.parametrize("name", _CHANGES)
def test_each_change_alone_changes_pictures(name: str) -> None:
    value = 8.0 if name in ("turn", "noise") else 0.4
    only = replace(Strength(), **{name: value})
    found = augmented(_pictures(), only, np.random.default_rng(0))
    assert np.abs(found - _pictures()).max() > 5
    assert found.min() >= 0 and found.max() <= 255


@pytest.mark.parametrize("channels", [1, 3])
def test_same_seed_augments_the_same(channels: int) -> None:
    one, two, other = (
        augmented(_pictures(channels), STRENGTHS["strong"], np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert one.shape == _pictures(channels).shape
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_mirrored_picture_is_the_picture_mirrored() -> None:
    found = augmented(_pictures(), Strength(flip=1.0), np.random.default_rng(0))
    np.testing.assert_allclose(found, _pictures()[:, :, ::-1], atol=1)
