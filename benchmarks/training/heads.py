"""Ways to name a face by its vector: nearest, mean, KNN, SVM, softmax head, with strangers.

Each draw enrols other photos of the same people. The threshold of each head is set by half of the
strangers, so that one in a hundred is named, and the other half tells how many it names. In the
product the vote and the SVM only rank people, and the similarity with the nearest photo rejects:
these have rows of their own. A head is better than the nearest if it misses less, by more than the
deviation of that gain over the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from benchmarks.document import table
from benchmarks.training.camera_faces import load_camera, load_faces, seen
from ml_engine.embedding.base import unit
from ml_engine.embedding.network import load_network_embedder
from ml_engine.evaluation.openset import threshold_at
from ml_engine.runtime.device import resolve_device
from ml_engine.types import Float32
from ml_engine.zoo import embedder_card

_ENROLLED = 4
_DRAWS = 5
_FPIR = 0.01
# Below all similarities.
_NOT_FIRST = np.float32(-2)
# Templates (n, d), the person of each from 0 on, and probes (m, d), to scores (m, people).
Head = Callable[[Float32, NDArray[np.intp], Float32], Float32]


def _nearest(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
    scores = probes @ templates.T
    return np.stack([scores[:, people == p].max(axis=1) for p in range(people.max() + 1)], axis=1)


def _mean(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
    means = [templates[people == p].mean(axis=0) for p in range(people.max() + 1)]
    return probes @ unit(np.stack(means)).T


def _knn(k: int) -> Head:
    def scores(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
        votes = KNeighborsClassifier(k, weights="distance").fit(templates, people)
        # Votes take few values: between equals, the nearest template decides.
        return votes.predict_proba(probes) + 0.01 * _nearest(templates, people, probes)

    return scores


def _linear_svm(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
    return LinearSVC(C=10, random_state=0).fit(templates, people).decision_function(probes)


def _rbf_svm(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
    machine = SVC(C=10, gamma=1.0, decision_function_shape="ovr").fit(templates, people)
    return machine.decision_function(probes)


def _softmax(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
    return LogisticRegression(C=100, max_iter=300).fit(templates, people).predict_log_proba(probes)


def _ranked_by(head: Head) -> Head:
    """The head says who is first, and the nearest photo of that person how similar they are."""

    def scores(templates: Float32, people: NDArray[np.intp], probes: Float32) -> Float32:
        first = np.asarray(head(templates, people, probes)).argmax(axis=1)
        nearest = _nearest(templates, people, probes)
        is_first = np.arange(nearest.shape[1]) == first[:, None]
        return np.where(is_first, nearest, _NOT_FIRST)

    return scores


HEADS: dict[str, Head] = {
    "nearest": _nearest,
    "mean": _mean,
    "KNN 3": _knn(3),
    "KNN 5": _knn(5),
    "linear SVM": _linear_svm,
    "RBF SVM": _rbf_svm,
    "softmax head": _softmax,
    "KNN 5 ranks, nearest rejects": _ranked_by(_knn(5)),
    "linear SVM ranks, nearest rejects": _ranked_by(_linear_svm),
    "softmax head ranks, nearest rejects": _ranked_by(_softmax),
}


@dataclass(frozen=True, slots=True)
class Gallery:
    """Vectors (n, d) of known people and the person of each from 0 on; and of strangers."""

    known: Float32
    people: NDArray[np.intp]
    strangers: Float32


def benchmark(data: Path, file: Path, weights: Path) -> str:
    camera = load_camera(file)
    faces = load_faces(data, weights)
    counts = np.bincount(faces.people)
    known = faces.of(np.flatnonzero(counts > _ENROLLED).tolist())
    strangers = faces.of(np.flatnonzero(counts == 1).tolist())
    embedder = load_network_embedder(embedder_card("mobilefacenet"), weights, resolve_device("cpu"))
    kinds = {
        "clean": Gallery(
            embedder.embed_crops(list(known.pictures)),
            known.people,
            embedder.embed_crops(list(strangers.pictures)),
        ),
        "camera": Gallery(
            embedder.embed_crops(list(seen(known, camera, 0))),
            known.people,
            embedder.embed_crops(list(seen(strangers, camera, 0))),
        ),
    }
    text = (
        f"{len(known.names)} people with {_ENROLLED} photos each, {len(strangers)} strangers, "
        f"{_DRAWS} draws. FNIR: not named rightly if 1 % of half of the strangers are named; "
        "named: of the other half. Gain: how much lower the FNIR is than that of the nearest."
    )
    tables = [f"{kind}:\n\n{_table(gallery)}" for kind, gallery in kinds.items()]
    return "\n\n".join([text, *tables])


def _table(gallery: Gallery) -> str:
    """A row for each head."""
    rows, nearest = [], np.empty(0)
    for name, head in HEADS.items():
        figures = 100 * np.array([draw(head, gallery, seed) for seed in range(_DRAWS)])
        missed = figures[:, 1]
        nearest = missed if name == "nearest" else nearest
        gains = nearest - missed
        is_better = gains.mean() > gains.std(ddof=1)
        cells = [_spread(column) for column in (*figures.T, gains)]
        rows.append([name, *cells, "better" if is_better else ""])
        print(*rows[-1], sep="  ", flush=True)
    return table(["head", "right %", "FNIR %", "strangers named %", "gain", ""], rows)


def _spread(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def draw(head: Head, gallery: Gallery, seed: int) -> tuple[float, float, float]:
    """The share of probes whose own person comes first; of those who are not named rightly; and of
    strangers who are named."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(gallery.people))
    rank = np.zeros(len(order), int)
    for person in range(gallery.people.max() + 1):
        mine = order[gallery.people[order] == person]
        rank[mine] = np.arange(len(mine))
    is_enrolled = rank < _ENROLLED
    templates, people = gallery.known[is_enrolled], gallery.people[is_enrolled]
    probes, owners = gallery.known[~is_enrolled], gallery.people[~is_enrolled]
    scores = np.asarray(head(templates, people, probes))
    is_right = scores.argmax(axis=1) == owners
    hits = np.where(is_right, scores.max(axis=1), -np.inf)
    best = np.asarray(head(templates, people, gallery.strangers)).max(axis=1)
    best = best[random.permutation(len(best))].astype(np.float32)
    halves = ((best[::2], best[1::2]), (best[1::2], best[::2]))
    thresholds = [threshold_at(half, _FPIR) for half, _ in halves]
    missed = [(hits < threshold).mean() for threshold in thresholds]
    pairs = zip(halves, thresholds, strict=True)
    named = [(other >= threshold).mean() for (_, other), threshold in pairs]
    return float(is_right.mean()), float(np.mean(missed)), float(np.mean(named))
