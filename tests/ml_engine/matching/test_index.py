"""The contract of an index."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.matching import VectorIndex
from ml_engine.types import Float32, ModelMismatch
from tests.ml_engine.vectors import unit_vectors

DIMENSION = 48


def _index() -> VectorIndex:
    return VectorIndex(DIMENSION, "model-a")


def _naive(known: dict[int, Float32], queries: Float32, k: int) -> tuple[Float32, list[list[int]]]:
    """What a search must give, worked out one by one."""
    ids = sorted(known)
    scores = np.array([[float(query @ known[one]) for one in ids] for query in queries])
    order = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), [[ids[i] for i in row] for row in order]


def _check_agrees(index: VectorIndex, known: dict[int, Float32], *, k: int = 5) -> None:
    queries = unit_vectors(20, DIMENSION, seed=99)
    scores, ids = index.search(queries, k)
    wanted_scores, wanted_ids = _naive(known, queries, k)
    np.testing.assert_allclose(scores[:, : len(known)], wanted_scores, atol=1e-5)
    assert ids[:, : len(known)].tolist() == wanted_ids


def test_an_empty_index_finds_nobody() -> None:
    scores, ids = _index().search(unit_vectors(2, DIMENSION), 3)
    assert ids.tolist() == [[-1] * 3] * 2
    assert np.isneginf(scores).all()


def test_finds_what_a_naive_search_finds() -> None:
    vectors = unit_vectors(500, DIMENSION)
    index = _index()
    index.add(range(1000, 1500), vectors)
    assert len(index) == 500
    assert 1499 in index
    assert 1500 not in index
    _check_agrees(index, dict(zip(range(1000, 1500), vectors, strict=True)))


def test_fewer_than_asked_for_are_followed_by_nothing() -> None:
    index = _index()
    vectors = unit_vectors(2, DIMENSION)
    index.add([7, 8], vectors)
    scores, ids = index.search(vectors[0], 4)
    assert ids.tolist() == [[7, 8, -1, -1]]
    assert scores[0, 0] == pytest.approx(1, abs=1e-5)
    assert np.isneginf(scores[0, 2:]).all()


def test_a_template_under_a_known_id_replaces_it() -> None:
    vectors = unit_vectors(3, DIMENSION)
    index = _index()
    index.add([1, 2], vectors[:2])
    index.add([1], vectors[2:])
    assert len(index) == 2
    _check_agrees(index, {1: vectors[2], 2: vectors[1]}, k=2)


def test_the_last_of_one_id_in_a_call_stands() -> None:
    vectors = unit_vectors(3, DIMENSION)
    index = _index()
    index.add([5, 6, 5], vectors)
    assert len(index) == 2
    _check_agrees(index, {5: vectors[2], 6: vectors[1]}, k=2)


def test_many_changes_leave_what_they_should() -> None:
    rng = np.random.default_rng(4)
    index = _index()
    known: dict[int, Float32] = {}
    for _ in range(300):
        ids = rng.integers(0, 400, rng.integers(1, 12))
        if rng.random() < 0.55:
            vectors = unit_vectors(len(ids), DIMENSION, seed=int(rng.integers(1 << 30)))
            index.add(ids, vectors)
            known |= dict(zip(ids.tolist(), vectors, strict=True))
        else:
            removed = index.remove(ids)
            gone = {one: known.pop(one) for one in set(ids.tolist()) if one in known}
            assert removed == len(gone)
        assert len(index) == len(known)
    assert all(one in index for one in known)
    _check_agrees(index, known)


def test_removing_the_last_one_leaves_an_empty_index() -> None:
    index = _index()
    index.add([3], unit_vectors(1, DIMENSION))
    assert index.remove([3, 4]) == 1
    assert index.remove([3]) == 0
    assert len(index) == 0
    assert index.search(unit_vectors(1, DIMENSION), 1)[1].tolist() == [[-1]]


def test_saved_and_loaded_it_finds_the_same(tmp_path: Path) -> None:
    vectors = unit_vectors(200, DIMENSION)
    index = _index()
    index.add(range(200), vectors)
    index.remove(range(0, 50))
    folder = tmp_path / "indexes"
    folder.mkdir()
    index.save(folder / "people.index")
    loaded = VectorIndex.load(folder / "people.index", model="model-a")
    assert len(loaded) == 150
    known = dict(zip(range(50, 200), vectors[50:], strict=True))
    _check_agrees(loaded, known)
    assert [path.name for path in folder.iterdir()] == ["people.index"]
    # It is an index like any other.
    loaded.add([1000], vectors[:1])
    loaded.remove([60])
    del known[60]
    _check_agrees(loaded, known | {1000: vectors[0]})


def test_another_models_vectors_are_refused(tmp_path: Path) -> None:
    index = _index()
    vectors = unit_vectors(2, DIMENSION)
    with pytest.raises(ModelMismatch):
        index.add([1, 2], vectors, model="model-b")
    with pytest.raises(ModelMismatch):
        index.add([1, 2], vectors[:, :-1])
    with pytest.raises(ModelMismatch):
        index.search(vectors[:, :-1], 1)
    assert len(index) == 0
    index.add([1, 2], vectors, model="model-a")
    index.save(tmp_path / "people.index")
    with pytest.raises(ModelMismatch):
        VectorIndex.load(tmp_path / "people.index", model="model-b")


def test_threads_that_add_remove_and_search_at_once_disturb_nobody() -> None:
    """Some stay all the time and must be found in every search, whatever comes and goes."""
    steady = unit_vectors(50, DIMENSION, seed=1)
    index = _index()
    index.add(range(50), steady)
    failures: list[str] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            scores, ids = index.search(steady, 1)
            if ids[:, 0].tolist() != list(range(50)) or scores.min() < 0.999:
                failures.append(f"{ids[:, 0].tolist()} {scores.min()}")

    def change(first: int) -> None:
        vectors = unit_vectors(40, DIMENSION, seed=first)
        ids: NDArray[np.int64] = np.arange(first, first + 40)
        for _ in range(60):
            index.add(ids, vectors)
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
