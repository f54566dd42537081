"""Error against discard."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from ml_engine.matching.discard import SHARES, DiscardPoint, discard_curve
from ml_engine.matching.discard_picture import discard_svg
from ml_engine.matching.error_rates import error_rates
from tests.ml_engine.vectors import people


def test_quality_that_tells_the_misses_leaves_none() -> None:
    is_missed = np.arange(100) < 10
    found = dict(
        zip(SHARES, discard_curve(is_missed, np.arange(100, dtype=np.float32)), strict=True)
    )
    assert found[0.0] == 0.1
    assert found[0.1] == found[0.3] == 0


def test_error_rates_use_the_quality_of_the_worse_photo_of_a_pair() -> None:
    vectors, owners = people(100, 3, 64, spread=0.3)
    spoiled = np.arange(0, 300, 9)
    vectors[spoiled] = np.roll(vectors[spoiled], 1, axis=1)
    qualities = np.ones(300, np.float32)
    qualities[spoiled] = 0.1
    options = {"model": "m@1", "detector": "d@1", "source": "made up", "similar_from": 2.0}
    found = error_rates(vectors, owners, qualities=qualities, **options)  # type: ignore[arg-type]
    fnmr = {point.discarded: point.fnmr for point in found.discard}
    assert found.discard_fmr in (1e-2, 1e-3)
    assert fnmr[0.0] > 0.15
    assert fnmr[0.3] == 0
    without = error_rates(vectors, owners, **options)  # type: ignore[arg-type]
    assert (without.discard, without.discard_fmr) == ((), None)


def test_discard_curve_is_drawn_even_if_nothing_is_missed() -> None:
    points = [DiscardPoint(share, 0.0) for share in SHARES]
    assert ElementTree.fromstring(discard_svg(points)).tag.endswith("svg")
