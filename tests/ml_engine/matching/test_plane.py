"""The plane in which vectors differ most."""

from __future__ import annotations

import numpy as np

from ml_engine.matching.plane import principal_plane


def test_plane_keeps_the_distances_of_vectors_that_lie_in_one() -> None:
    random = np.random.default_rng(0)
    flat = random.normal(size=(20, 2)) @ random.normal(size=(2, 16))
    found = principal_plane(flat.astype(np.float32))
    wanted, distances = (
        np.linalg.norm(each[:, None] - each[None], axis=2) for each in (flat, found.places)
    )
    np.testing.assert_allclose(distances, wanted, atol=1e-4)
    assert found.share > 0.999


def test_plane_is_the_same_way_up_every_time() -> None:
    vectors = np.random.default_rng(1).normal(size=(30, 8)).astype(np.float32)
    np.testing.assert_allclose(
        principal_plane(vectors).places, principal_plane(vectors[::-1]).places[::-1], atol=1e-4
    )


def test_vectors_without_a_difference_have_one_place() -> None:
    found = principal_plane(np.ones((4, 3), np.float32))
    assert found.share == 0
    assert not found.places.any()
