"""The presentation-attack score: cut, kept out unless asked for, and from the published file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from django.conf import settings

from ml_engine.antispoof import AttackScorer, load_attack_scorer
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image


def test_a_crop_is_the_square_around_the_box() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200, 150:250] = 255
    crops = AttackScorer.crops(image, np.array([[160, 100, 240, 200]], np.float32))
    assert crops[0].shape == (256, 256, 3)
    assert crops[0].min() == 255


@pytest.mark.parametrize(
    "box", [[-50, -50, 40, 60], [380, 280, 450, 390], [-100, -100, 900, 900], [5, 5, 5.2, 5.1]]
)
def test_a_box_over_the_edge_is_moved_inside(box: list[float]) -> None:
    image = np.full((300, 400, 3), 7, np.uint8)
    crop = AttackScorer.crops(image, np.array([box], np.float32))[0]
    assert crop.shape == (256, 256, 3)
    assert (crop == 7).all()


@pytest.mark.weights
@pytest.mark.usefixtures("attack_weights")
def test_the_engine_gives_it_only_where_it_is_asked_for(
    real_engine: FaceEngine, sample_photo: Callable[[str], bytes]
) -> None:
    photos = [decode_image(sample_photo(name)) for name in ("obama", "biden")]
    assert real_engine.analyze(photos[:1])[0][0].attack_score is None
    found = real_engine.analyze(photos, with_attack_score=True, with_embedding=False)
    scorer = load_attack_scorer(settings.WEIGHTS_DIR, 1)
    for photo, faces in zip(photos, found, strict=True):
        assert len(faces) == 1
        alone = scorer.scores(scorer.crops(photo, faces[0].box[None]))
        score = faces[0].attack_score
        assert score is not None
        assert score == pytest.approx(float(alone[0]), abs=1e-3)
        # Large, sharp portraits are what it takes for real.
        assert 0 <= score < 0.2
