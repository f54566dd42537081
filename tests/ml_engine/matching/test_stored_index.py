"""The files of an index: mapped, checked, overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.matching import DamagedFile, VectorIndex
from ml_engine.matching.checked_file import CheckedFile
from ml_engine.matching.rows import BLOCK_ROWS
from ml_engine.matching.stored_index import StoredIndex
from ml_engine.types import Float32
from tests.ml_engine.vectors import unit_vectors

DIMENSION = 48


def _stored(folder: Path, ids: NDArray[np.int64], vectors: Float32) -> StoredIndex:
    folder.mkdir()
    stored = StoredIndex(folder, DIMENSION)
    for first in range(0, len(ids), BLOCK_ROWS):
        stored.add(ids[first : first + BLOCK_ROWS], vectors[first : first + BLOCK_ROWS])
    for _ in stored.encode():
        pass
    return stored


def _opened(stored: StoredIndex, tmp_path: Path) -> VectorIndex:
    return stored.open("model-a", tmp_path)


@pytest.mark.parametrize("count", [3, 12_000, 2 * BLOCK_ROWS, 2 * BLOCK_ROWS + 1000])
@pytest.mark.parametrize("used", [20, DIMENSION])
def test_mapped_index_finds_what_one_in_memory_finds(count: int, used: int, tmp_path: Path) -> None:
    vectors = unit_vectors(count, DIMENSION)
    vectors[:, used:] = 0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.arange(count) * 3
    mapped = _opened(_stored(tmp_path / "stored", ids, vectors), tmp_path)
    fresh = VectorIndex(DIMENSION, "model-a", kind="int8", directory=tmp_path)
    fresh.add(ids, vectors, model="model-a")
    fresh.optimise()
    queries = vectors[:: max(1, count // 20)]
    for asked in (queries, queries[:2]):
        found, wanted = (each.search(asked, 5, model="model-a") for each in (mapped, fresh))
        np.testing.assert_array_equal(found[1][:, 0], wanted[1][:, 0])
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-6)


def test_changes_of_a_mapped_index_leave_its_files_as_they_are(tmp_path: Path) -> None:
    count = 2 * BLOCK_ROWS + 1000
    vectors = unit_vectors(count, DIMENSION)
    stored = _stored(tmp_path / "stored", np.arange(count), vectors)
    before = {path.name: path.read_bytes() for path in (tmp_path / "stored").iterdir()}
    index, other = _opened(stored, tmp_path), _opened(stored, tmp_path)
    index.remove([5, BLOCK_ROWS + 5])
    index.add([7, count], vectors[5:7], model="model-a")
    asked = vectors[[5, 6, BLOCK_ROWS, count - 1]]
    scores, ids = index.search(asked, 1, model="model-a")
    assert ids[:, 0].tolist()[2:] == [BLOCK_ROWS, count - 1]
    assert ids[0, 0] == 7 and ids[1, 0] in (6, count)
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)
    assert len(index) == count - 1
    found = other.search(asked, 1, model="model-a")[1][:, 0]
    assert found.tolist() == [5, 6, BLOCK_ROWS, count - 1]
    assert {path.name: path.read_bytes() for path in (tmp_path / "stored").iterdir()} == before


def test_overwritten_vector_disappears_from_files_and_from_maps(tmp_path: Path) -> None:
    count = BLOCK_ROWS + 10
    vectors = unit_vectors(count, DIMENSION)
    stored = _stored(tmp_path / "stored", np.arange(count), vectors)
    index = _opened(stored, tmp_path)
    stored.overwrite(np.array([4, 900]))
    assert not index.vectors([4])[1].any(), "a page without a copy shows it"
    content = b"".join(path.read_bytes() for path in (tmp_path / "stored").iterdir())
    assert vectors[4].tobytes() not in content and vectors[900].tobytes() not in content
    assert vectors[5].tobytes() in content
    for file in stored.files:
        list(file.checks(len(file)))


def test_rows_of_a_file_that_was_cut_are_not_overwritten(tmp_path: Path) -> None:
    """It would grow again, and its sums would fit."""
    path = tmp_path / "rows"
    file = CheckedFile(path, "<f4", 4)
    file.append(unit_vectors(10, 4))
    cut = path.read_bytes()[:-16]
    path.write_bytes(cut)
    with pytest.raises(DamagedFile):
        file.overwrite(np.array([0, 1, 9]))
    assert path.read_bytes() == cut


def test_runs_and_single_rows_are_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    file, rows = CheckedFile(path, "<f4", 4), unit_vectors(30, 4)
    for first in (0, 10, 20):
        file.append(rows[first : first + 10])
    gone = np.array([0, 8, 9, 10, 11, 29])
    file.overwrite(gone)
    rows[gone] = 0
    np.testing.assert_array_equal(file.map(), rows)
    list(file.checks(30))


@pytest.mark.parametrize("damage", ["cut", "cut at a piece", "changed", "emptied", "gone"])
def test_damaged_file_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "rows"
    file = CheckedFile(path, "<f4", 4)
    for seed in range(3):
        file.append(unit_vectors(10, 4, seed=seed))
    list(file.checks(30))
    content, sums = path.read_bytes(), path.with_name("rows.sums")
    if damage == "gone":
        path.unlink()
    elif damage == "cut at a piece":
        path.write_bytes(content[: 20 * 16])
        sums.write_bytes(sums.read_bytes()[: 2 * 40])
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"cut": content[:-1], "changed": changed, "emptied": b""}[damage])
    with pytest.raises(DamagedFile):
        list(file.checks(30))
