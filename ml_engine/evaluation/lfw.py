"""Labeled Faces in the Wild: its photos, its people and its pairs; or a folder laid out like it.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild: A Database for Studying Face
Recognition in Unconstrained Environments", 2007. The data set names a photo by person and number,
and `pairs.txt` holds the folds of the standard protocol. No person is in two folds, so a choice
made on some folds can be tested on other people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import EngineError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
# Of a list of pairs that has none of its own.
_FOLDS = 10
_WANTED = (
    "wanted is a person and two numbers, or two people with a number each; or in a file without a "
    "first line of two numbers: two photos of the folder and 1 (one person) or 0"
)


@dataclass(frozen=True, slots=True)
class Photos:
    """paths: sorted by person and number. people: (n,) the index of each photo's person in
    `names`."""

    paths: list[Path]
    people: NDArray[np.intp]
    names: list[str]

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, rows: NDArray[np.intp]) -> Photos:
        """Some of the photos; people keep their indices."""
        return Photos([self.paths[row] for row in rows], self.people[rows], self.names)


@dataclass(frozen=True, slots=True)
class Pairs:
    """rows: (pairs, 2) photos. is_same: (pairs,). folds: (pairs,) numbered from 0."""

    rows: NDArray[np.intp]
    is_same: NDArray[np.bool_]
    folds: NDArray[np.intp]


def lfw_folder(data: Path) -> Path:
    """`data` itself, or its `lfw`."""
    return data / "lfw" if (data / "lfw").is_dir() else data


def load_photos(data: Path) -> Photos:
    """Every photo of every person: any folder that holds `<person>/<photo>.jpg`."""
    folder = lfw_folder(data)
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise FileNotFoundError(f"There are no photos <person>/<photo>.jpg in {folder}.")
    names = sorted({path.parent.name for path in paths})
    index = {name: number for number, name in enumerate(names)}
    return Photos(paths, np.array([index[path.parent.name] for path in paths]), names)


def load_pairs(data: Path, photos: Photos, file: Path | None = None) -> Pairs:
    """The protocol's pairs: a first line with folds and pairs, then in each fold as many lines of
    one person and two numbers as of two people with a number each. A file without such a first line
    has two photos <person>/<photo> in each, and 1 or 0; its lines are dealt out to ten folds.

    Args:
        file: instead of the folder's own `pairs.txt`.

    Raises:
        FileNotFoundError: there is no such file.
        EngineError: a line that is something else, or that names a photo that is not there.
    """
    path = file or lfw_folder(data) / "pairs.txt"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    lines = [line.split() for line in path.read_text().splitlines()]
    is_protocol = bool(lines) and len(lines[0]) < 3 and all(map(str.isdigit, lines[0]))
    row_of = {_key(path): row for row, path in enumerate(photos.paths)}
    found = []
    for number, fields in enumerate(lines, start=1):
        if not fields or (is_protocol and number == 1):
            continue
        try:
            left, right, is_same = _numbered(fields) if is_protocol else _named(fields)
            found.append((row_of[left], row_of[right], is_same))
        except (KeyError, ValueError) as error:
            raise EngineError(f"{path}, line {number}: {_reason(error)}") from error
    if not found:
        raise EngineError(f"There are no pairs in {path}.")
    count = np.arange(len(found))
    folds = count // (2 * int(lines[0][-1])) if is_protocol else count % _FOLDS
    rows = np.array([pair[:2] for pair in found], np.intp)
    return Pairs(rows, np.array([pair[2] for pair in found]), folds)


def _key(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _numbered(fields: Sequence[str]) -> tuple[str, str, bool]:
    """Of a line of the protocol: both photos' keys, and whether they show one person."""
    is_same = len(fields) == 3
    first, one, second, two = (*fields[:2], fields[0], fields[2]) if is_same else fields
    keys = [f"{name}/{name}_{int(number):04d}" for name, number in ((first, one), (second, two))]
    return keys[0], keys[1], is_same


def _named(fields: Sequence[str]) -> tuple[str, str, bool]:
    left, right, same = fields
    if same not in ("0", "1"):
        raise ValueError(same)
    return _key(Path(left)), _key(Path(right)), same == "1"


def _reason(error: KeyError | ValueError) -> str:
    return f"there is no photo {error.args[0]}" if isinstance(error, KeyError) else _WANTED


def load_of_folds(data: Path, folds: Collection[int] | None) -> Photos:
    """The photos of the people in these folds; None: of all, whether there are pairs or not."""
    photos = load_photos(data)
    return photos if folds is None else of_folds(photos, load_pairs(data, photos), folds)[1]


def of_folds(
    photos: Photos, pairs: Pairs, folds: Collection[int]
) -> tuple[NDArray[np.intp], Photos, Pairs]:
    """The photos of those who are in these folds, which count from 1: their rows, and both without
    the others.

    Raises:
        EngineError: there is no such fold.
    """
    if missing := {fold - 1 for fold in folds} - set(pairs.folds.tolist()):
        raise EngineError(
            f"There is no fold {min(missing) + 1}: there are 1 to {pairs.folds.max() + 1}."
        )
    is_chosen = np.isin(pairs.folds, [fold - 1 for fold in folds])
    chosen = pairs.rows[is_chosen]
    rows = np.flatnonzero(np.isin(photos.people, photos.people[chosen]))
    smaller = Pairs(np.searchsorted(rows, chosen), pairs.is_same[is_chosen], pairs.folds[is_chosen])
    return rows, photos.only(rows), smaller
