"""Does approximate search find the same faces as exact search, for faces that no index was tuned
on?

The gallery is filled with synthetic faces: each is a mixture of two people of LFW's folds 1 to 3.
Each kind of index is trained only on these (which dimensions are used, where the lists are). The
test then adds other faces: those of LFW's folds 4 and 5, and of other sets of photos if they exist.
Every second one is enrolled, flip-averaged. All are searched for as in a live frame. The result of
the exact search counts as correct.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml_engine.embedding.base import unit
from ml_engine.evaluation.lfw import PICTURES, load_pairs, load_photos, of_folds
from ml_engine.images import decode_image
from ml_engine.matching import VectorIndex
from ml_engine.matching.index import Kind
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

LEARNT_FROM, HELD_OUT = (1, 2, 3), (4, 5)
# Other sets of photos, used if they exist, in folders beside LFW.
OTHERS = {"WIDER FACE": "wider", "five celebrities": "celebs5"}
SIZE = 100_000
K = 5
_CALLERS = 8
_SEED = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of a set of photos, as enrolled and as searched for: (n, d)."""

    enrolled: Float32
    live: Float32


@dataclass(frozen=True, slots=True)
class Found:
    """top_1: queries with the same best one as an exact search; recall: of its five best, the share
    that was found."""

    kind: str
    source: str
    queries: int
    top_1: float
    recall: float


@dataclass(frozen=True, slots=True)
class SearchReport:
    preset: str
    templates: int
    found: list[Found]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [
            f"{self.preset}, {self.templates:,} templates; against an exact search",
            f"{'kind':10}{'faces of':22}{'queries':>8}{'top-1':>9}{f'recall@{K}':>10}",
        ]
        lines += [
            f"{row.kind:10}{row.source:22}{row.queries:8,}{row.top_1:9.4f}{row.recall:10.4f}"
            for row in self.found
        ]
        return "\n".join(lines)


def evaluate_search(
    engine: FaceEngine, data: Path, presets: Sequence[str], *, size: int = SIZE
) -> list[SearchReport]:
    photos = load_photos(data)
    pairs = load_pairs(data, photos)
    known = all_faces(engine, of_folds(photos, pairs, LEARNT_FROM)[1].paths, presets, "to fill")
    sets = {"LFW, folds 4 and 5": of_folds(photos, pairs, HELD_OUT)[1].paths}
    sets |= {name: _pictures(data / folder) for name, folder in OTHERS.items()}
    others = {
        name: all_faces(engine, paths, presets, name) for name, paths in sets.items() if paths
    }
    return [
        search_report(
            preset,
            known[preset].enrolled,
            {name: each[preset] for name, each in others.items()},
            size,
        )
        for preset in presets
    ]


def all_faces(
    engine: FaceEngine, paths: Sequence[Path], presets: Sequence[str], title: str
) -> dict[str, Seen]:
    """Every face of every photo, by preset."""

    def one(path: Path) -> list[list[Float32]]:
        """For each face, for each preset: enrolled, live."""
        image = decode_image(path.read_bytes())
        faces = engine.find([image])[0]
        looks = [
            [face.embedding for face in engine.embed(image, faces, embedder=preset, flip=flip)]
            for preset in presets
            for flip in (True, False)
        ]
        return list(zip(*looks, strict=True))  # type: ignore[arg-type]

    for preset in presets:
        engine.embedder(preset)
    with ThreadPoolExecutor(_CALLERS) as pool:
        found = tqdm(pool.map(one, paths), title, len(paths), unit="photo")
        looks = [face for photo in found for face in photo]
    if not looks:
        raise EngineError(f"There is no face in the photos of {title}.")
    columns = list(zip(*looks, strict=True))
    return {
        preset: Seen(np.stack(columns[2 * number]), np.stack(columns[2 * number + 1]))
        for number, preset in enumerate(presets)
    }


def search_report(
    preset: str, known: Float32, others: dict[str, Seen], size: int = SIZE
) -> SearchReport:
    """known: (n, d) what the made-up faces are neighbours of."""
    enrolled = np.concatenate([seen.enrolled[::2] for seen in others.values()])
    filling = neighbours(known, max(0, size - len(enrolled)))
    queries = np.concatenate([seen.live for seen in others.values()])
    sources = np.repeat(list(others), [len(seen.live) for seen in others.values()])
    with tempfile.TemporaryDirectory() as folder:
        answers = {
            kind: _search(preset, kind, Path(folder), filling, enrolled, queries)
            for kind in tqdm(get_args(Kind), preset, unit="kind")
        }
    return SearchReport(
        preset,
        len(filling) + len(enrolled),
        [
            _found(kind, source, answers["float32"], answers[kind], sources == source)
            for kind in answers
            if kind != "float32"
            for source in others
        ],
    )


def neighbours(known: Float32, count: int) -> Float32:
    """(count, d): each is one of the known with something of another."""
    random = np.random.default_rng(_SEED)
    first, second = random.integers(len(known), size=(2, count))
    share = random.uniform(0.4, 0.9, (count, 1)).astype(np.float32)
    return unit(known[first] + share * known[second])


def _search(
    preset: str, kind: Kind, folder: Path, filling: Float32, enrolled: Float32, queries: Float32
) -> tuple[Float32, NDArray[np.int64]]:
    index = VectorIndex(filling.shape[1], preset, kind=kind, directory=folder)
    index.add(np.arange(len(filling)), filling, model=preset)
    index.optimise()
    index.add(len(filling) + np.arange(len(enrolled)), enrolled, model=preset)
    return index.search(queries, K, model=preset)


def _found(
    kind: str,
    source: str,
    exact: tuple[Float32, NDArray[np.int64]],
    answer: tuple[Float32, NDArray[np.int64]],
    rows: NDArray[np.bool_],
) -> Found:
    (exact_scores, exact_ids), (scores, ids) = (
        (part[rows] for part in both) for both in (exact, answer)
    )
    # If two scores are equal, either order is right.
    is_best = (ids[:, 0] == exact_ids[:, 0]) | (scores[:, 0] > exact_scores[:, 0] - 1e-6)
    common = (ids[:, :, None] == exact_ids[:, None]).any(axis=2)
    return Found(kind, source, int(rows.sum()), float(is_best.mean()), float(common.mean()))


def _pictures(folder: Path) -> list[Path]:
    """The photos in all folders of a set; none if the set does not exist."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
