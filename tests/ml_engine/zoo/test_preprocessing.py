from __future__ import annotations

import numpy as np
import pytest

from ml_engine.zoo import Preprocessing

FACES = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3), np.uint8)


def test_fixed_preprocessing_takes_one_number_or_one_for_each_channel() -> None:
    np.testing.assert_allclose(Preprocessing().apply(FACES), (FACES - 127.5) / 128, rtol=1e-6)
    mean, scale = (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)
    found = Preprocessing(mean, scale, "bgr").apply(FACES)
    np.testing.assert_allclose(found, (FACES[..., ::-1] - mean) / scale, rtol=1e-6)


def test_grey_preprocessing_gives_one_channel() -> None:
    found = Preprocessing(0.0, 1.0, "grey").apply(FACES)
    assert found.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(found[..., 0], FACES @ [0.299, 0.587, 0.114], rtol=1e-5)


def test_whitened_pictures_have_no_mean_and_unit_deviation() -> None:
    found = Preprocessing(is_whitened=True).apply(FACES)
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, atol=1e-5)
    flat = Preprocessing(is_whitened=True).apply(np.full((1, 4, 4, 3), 9, np.uint8))
    np.testing.assert_array_equal(flat, 0)


@pytest.mark.parametrize(
    "values",
    [{"scale": 0}, {"mean": (1, 2)}, {"channels": "hsv"}, {"mean": float("nan")}, {"mean": "a"}],
)
def test_preprocessing_that_cannot_be_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"mean|scale|channels"):
        Preprocessing.from_dict(values)
