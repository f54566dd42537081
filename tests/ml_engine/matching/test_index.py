"""The contract of an index, the same for every kind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.matching import VectorIndex
from ml_engine.matching.index import _SCANNERS, Kind
from ml_engine.matching.scanners import axes_in_use
from ml_engine.types import Float32, ModelMismatch
from tests.ml_engine.vectors import people, unit_vectors

DIMENSION = 48
KINDS = list(get_args(Kind))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def index(kind: Kind, tmp_path: Path) -> VectorIndex:
    return VectorIndex(DIMENSION, "model-a", kind=kind, directory=tmp_path)


def _naive(known: dict[int, Float32], queries: Float32, k: int) -> tuple[Float32, list[list[int]]]:
    """What a search must give, worked out one by one."""
    ids = sorted(known)
    scores = np.array([[float(query @ known[one]) for one in ids] for query in queries])
    order = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), [[ids[i] for i in row] for row in order]


def _check_agrees(index: VectorIndex, known: dict[int, Float32], *, k: int = 5) -> None:
    queries = unit_vectors(20, DIMENSION, seed=99)
    scores, ids = index.search(queries, k, model="model-a")
    wanted_scores, wanted_ids = _naive(known, queries, k)
    np.testing.assert_allclose(scores[:, : len(known)], wanted_scores, atol=1e-5)
    assert ids[:, : len(known)].tolist() == wanted_ids


def test_every_kind_is_in_the_table() -> None:
    assert set(KINDS) == set(_SCANNERS)


def test_empty_index_finds_no_template(index: VectorIndex) -> None:
    scores, ids = index.search(unit_vectors(2, DIMENSION), 3, model="model-a")
    assert ids.tolist() == [[-1] * 3] * 2
    assert np.isneginf(scores).all()


def test_index_finds_what_a_naive_search_finds(index: VectorIndex) -> None:
    vectors = unit_vectors(500, DIMENSION)
    index.add(range(1000, 1500), vectors, model="model-a")
    assert len(index) == 500
    assert 1499 in index
    assert 1500 not in index
    _check_agrees(index, dict(zip(range(1000, 1500), vectors, strict=True)))


def test_search_in_a_small_index_is_padded(index: VectorIndex) -> None:
    vectors = unit_vectors(2, DIMENSION)
    index.add([7, 8], vectors, model="model-a")
    scores, ids = index.search(vectors[0], 4, model="model-a")
    assert ids.tolist() == [[7, 8, -1, -1]]
    assert scores[0, 0] == pytest.approx(1, abs=1e-5)
    assert np.isneginf(scores[0, 2:]).all()


def test_a_template_under_a_known_id_replaces_it(index: VectorIndex) -> None:
    vectors = unit_vectors(3, DIMENSION)
    index.add([1, 2], vectors[:2], model="model-a")
    index.add([1], vectors[2:], model="model-a")
    assert len(index) == 2
    _check_agrees(index, {1: vectors[2], 2: vectors[1]}, k=2)


def test_last_vector_of_a_repeated_id_is_kept(index: VectorIndex) -> None:
    vectors = unit_vectors(3, DIMENSION)
    index.add([5, 6, 5], vectors, model="model-a")
    assert len(index) == 2
    _check_agrees(index, {5: vectors[2], 6: vectors[1]}, k=2)


def test_index_after_many_changes_equals_a_dict(index: VectorIndex) -> None:
    rng = np.random.default_rng(4)
    known: dict[int, Float32] = {}
    for _ in range(300):
        ids = rng.integers(0, 400, rng.integers(1, 12))
        if rng.random() < 0.55:
            vectors = unit_vectors(len(ids), DIMENSION, seed=int(rng.integers(1 << 30)))
            index.add(ids, vectors, model="model-a")
            known |= dict(zip(ids.tolist(), vectors, strict=True))
        else:
            removed = index.remove(ids)
            gone = {one: known.pop(one) for one in set(ids.tolist()) if one in known}
            assert removed == len(gone)
        assert len(index) == len(known)
    assert all(one in index for one in known)
    _check_agrees(index, known)


def test_index_returns_stored_vectors_unchanged(index: VectorIndex) -> None:
    vectors = unit_vectors(20, DIMENSION)
    index.add(list(range(100, 120)), vectors, model="model-a")
    index.remove([103, 119])
    assert sorted(index.ids) == sorted({*range(100, 120)} - {103, 119})
    ids, found = index.vectors([118, 103, 7, 100])
    assert ids.tolist() == [118, 100]
    np.testing.assert_array_equal(found, vectors[[18, 0]])
    ids, found = index.vectors([103])
    assert (ids.tolist(), found.shape) == ([], (0, DIMENSION))


def test_removing_the_last_template_leaves_an_empty_index(index: VectorIndex) -> None:
    index.add([3], unit_vectors(1, DIMENSION), model="model-a")
    assert index.remove([3, 4]) == 1
    assert index.remove([3]) == 0
    assert len(index) == 0
    assert index.search(unit_vectors(1, DIMENSION), 1, model="model-a")[1].tolist() == [[-1]]


def test_index_refuses_vectors_of_another_model(index: VectorIndex) -> None:
    vectors = unit_vectors(2, DIMENSION)
    with pytest.raises(ModelMismatch):
        index.add([1, 2], vectors, model="model-b")
    with pytest.raises(ModelMismatch):
        index.add([1, 2], vectors[:, :-1], model="model-a")
    with pytest.raises(ModelMismatch):
        index.search(vectors[:, :-1], 1, model="model-a")
    with pytest.raises(ModelMismatch):
        index.search(vectors, 1, model="model-b")
    assert len(index) == 0


def test_index_is_safe_for_threads_that_add_remove_and_search(index: VectorIndex) -> None:
    """Some stay all the time and must be found in every search, whatever comes and goes."""
    steady = unit_vectors(50, DIMENSION, seed=1)
    index.add(range(50), steady, model="model-a")
    failures: list[str] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            scores, ids = index.search(steady, 1, model="model-a")
            if ids[:, 0].tolist() != list(range(50)) or scores.min() < 0.999:
                failures.append(f"{ids[:, 0].tolist()} {scores.min()}")

    def change(first: int) -> None:
        vectors = unit_vectors(40, DIMENSION, seed=first)
        ids: NDArray[np.int64] = np.arange(first, first + 40)
        for _ in range(60):
            index.add(ids, vectors, model="model-a")
            if index.remove(ids[::-1]) != 40:
                failures.append("not all of one's own were there")

    searchers = [threading.Thread(target=search) for _ in range(2)]
    changers = [threading.Thread(target=change, args=(first,)) for first in (1000, 2000, 3000)]
    for thread in [*searchers, *changers]:
        thread.start()
    for thread in changers:
        thread.join()
    stop.set()
    for thread in searchers:
        thread.join()
    assert failures == []
    assert len(index) == 50
    _check_agrees(index, dict(zip(range(50), steady, strict=True)))


def test_many_queries_find_what_each_finds_alone(index: VectorIndex) -> None:
    vectors = unit_vectors(3000, DIMENSION)
    index.add(range(3000), vectors, model="model-a")
    queries = unit_vectors(100, DIMENSION, seed=5)
    scores, ids = index.search(queries, 3, model="model-a")
    alone = [index.search(query, 3, model="model-a") for query in queries]
    assert ids.tolist() == [found[1][0].tolist() for found in alone]
    np.testing.assert_allclose(scores, [found[0][0] for found in alone], atol=1e-5)


def test_search_for_every_template_returns_all(index: VectorIndex) -> None:
    vectors = unit_vectors(700, DIMENSION)
    index.add(range(700), vectors, model="model-a")
    scores, ids = index.search(vectors[:2], 700, model="model-a")
    assert sorted(ids[0].tolist()) == list(range(700))
    assert (np.diff(scores) <= 1e-6).all()


@pytest.mark.parametrize("exhaustive", [kind for kind in KINDS if kind != "ivf"])
def test_an_optimised_index_finds_the_same(exhaustive: Kind, tmp_path: Path) -> None:
    """Vectors that use 20 of 48 dimensions, as a network's do; changes afterwards count too."""
    rng = np.random.default_rng(0)
    vectors = unit_vectors(11_000, 20) @ np.linalg.qr(rng.normal(size=(DIMENSION, 20)))[0].T
    vectors = vectors.astype(np.float32)
    index = VectorIndex(DIMENSION, "model-a", kind=exhaustive, directory=tmp_path)
    index.add(range(10_500), vectors[:10_500], model="model-a")
    index.optimise()
    index.remove(range(500))
    index.add(range(10_500, 11_000), vectors[10_500:], model="model-a")
    looks = vectors[::50] + 0.3 * unit_vectors(220, DIMENSION, seed=3)
    scores, ids = index.search(looks, 5, model="model-a")
    exact = looks @ vectors.T
    exact[:, :500] = -np.inf
    best = np.argsort(-exact, axis=1)[:, :5]
    np.testing.assert_allclose(scores, np.take_along_axis(exact, best, axis=1), atol=1e-5)
    assert ids.tolist() == best.tolist()
    index.optimise()
    assert index.search(looks, 5, model="model-a")[1].tolist() == best.tolist()


def test_axes_in_use_keep_distances() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(100, 30)))[0]
    vectors = (unit_vectors(2000, 30) @ basis.T).astype(np.float32)
    axes = axes_in_use(vectors)
    assert axes.shape == (100, 32)
    np.testing.assert_allclose(axes.T @ axes, np.eye(32), atol=1e-5)
    turned = vectors @ axes
    np.testing.assert_allclose(turned @ turned[0], vectors @ vectors[0], atol=1e-3)
    # None has more to hold than another.
    assert np.ptp(turned.std(axis=0)) < 0.5 * turned.std()
    assert axes_in_use(unit_vectors(2000, 48)).shape == (48, 48)


@pytest.mark.simulation
def test_inverted_lists_find_nearly_all_and_follow_changes(tmp_path: Path) -> None:
    """Once optimised, `ivf` is approximate; people in it are found by other looks at them."""
    looks, _ = people(6000, 2, DIMENSION, spread=0.35)
    gallery, probes = looks[0::2], looks[1::2]
    index = VectorIndex(DIMENSION, "model-a", kind="ivf", directory=tmp_path)
    index.add(range(6000), gallery, model="model-a")
    index.add(range(6000, 12000), unit_vectors(6000, DIMENSION, seed=7), model="model-a")
    exact = index.search(probes, 1, model="model-a")[1][:, 0]
    index.optimise()
    found = index.search(probes, 1, model="model-a")[1][:, 0]
    assert (found == exact).mean() > 0.97
    # Changes reach the lists.
    assert index.remove(range(0, 3000)) == 3000
    index.add(range(20000, 21000), gallery[:1000], model="model-a")
    index.add(range(4000, 4100), gallery[2000:2100], model="model-a")
    _, ids = index.search(np.concatenate([gallery[:1000], gallery[2000:2100]]), 1, model="model-a")
    assert ids[:, 0].tolist() == [*range(20000, 21000), *range(4000, 4100)]
    assert not set(index.search(probes, 5, model="model-a")[1].ravel().tolist()) & set(
        range(0, 3000)
    )
    assert len(index) == 10000
