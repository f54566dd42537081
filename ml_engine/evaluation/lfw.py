"""Labeled Faces in the Wild: its photos, its people and its pairs.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild: A Database for Studying Face
Recognition in Unconstrained Environments", 2007. The data set names a photo by person and number,
and `pairs.txt` holds the folds of the standard protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
    paths = sorted(lfw_folder(data).glob("*/*.jpg"))
    if not paths:
        raise FileNotFoundError(f"There are no photos <person>/<photo>.jpg in {lfw_folder(data)}.")
    names = sorted({path.parent.name for path in paths})
    index = {name: number for number, name in enumerate(names)}
    return Photos(paths, np.array([index[path.parent.name] for path in paths]), names)


def load_pairs(data: Path, photos: Photos) -> Pairs:
    """The protocol's pairs: a first line with folds and pairs, then in each fold as many lines of
    one person and two numbers as of two people with a number each."""
    row_of = {path.stem: row for row, path in enumerate(photos.paths)}
    path = lfw_folder(data) / "pairs.txt"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    first, *lines = path.read_text().splitlines()
    per_kind = int(first.split()[1])
    rows, is_same = [], []
    for line in filter(str.strip, lines):
        fields = line.split()
        left, right = (
            ((fields[0], fields[1]), (fields[0], fields[2]))
            if len(fields) == 3
            else ((fields[0], fields[1]), (fields[2], fields[3]))
        )
        rows.append([row_of[f"{name}_{int(number):04d}"] for name, number in (left, right)])
        is_same.append(len(fields) == 3)
    folds = np.arange(len(rows)) // (2 * per_kind)
    return Pairs(np.array(rows, np.intp), np.array(is_same), folds)
