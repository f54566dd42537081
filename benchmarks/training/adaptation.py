"""MobileFaceNet adapted to a synthetic camera, beside the two baselines that cost nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.document import table
from benchmarks.training.camera_faces import Camera, camera_pairs, load_camera, load_parts, seen
from benchmarks.training.crossing import RATES, Crossing, cross
from ml_engine.embedding import Embedder
from ml_engine.embedding.network import load_network_embedder
from ml_engine.evaluation.openset import search, threshold_at
from ml_engine.formats import Wish, convert_file
from ml_engine.networks import mobilefacenet
from ml_engine.runtime.device import resolve_device
from ml_engine.training.adapt import adapt, save_adapted
from ml_engine.training.baselines import PENALTIES, MeanShift, Ridge
from ml_engine.training.data import Faces
from ml_engine.types import Float32
from ml_engine.zoo import Preprocessing, embedder_card, fetch
from ml_engine.zoo.own import own_embedder

_VERSIONS = 2
_AT = RATES.index(1e-3)
_FPIR = 0.01


@dataclass(frozen=True, slots=True)
class Vectors:
    """Of each face (n, d): clean, and as the camera gives it."""

    clean: Float32
    camera: Float32


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    clean: Crossing
    camera: Crossing
    mixed: Crossing
    fpir: float
    named: float
    cpu_s: float


def benchmark(data: Path, file: Path, weights: Path, out: Path) -> str:
    camera = load_camera(file)
    known, others, test = load_parts(data, camera, weights)
    print(f"{len(known)} photos to train on, {len(others)} to choose by, {len(test)} to test on")
    embedder = load_network_embedder(embedder_card("mobilefacenet"), weights, resolve_device("cpu"))
    of_known, of_others, of_test = (
        _vectors(embedder, part, camera) for part in (known, others, test)
    )
    rows = [_row("unchanged", of_test, test, 0.0)]
    shift = MeanShift.fit(of_known.camera, of_known.clean)
    shifted = Vectors(of_test.clean, shift(of_test.camera))
    rows.append(_row("mean of the camera shifted", shifted, test, 0.0))
    ridge = _best_ridge(of_known, of_others, others)
    mapped = Vectors(of_test.clean, ridge(of_test.camera))
    rows.append(_row("ridge regression", mapped, test, 0.0))

    begun = time.process_time()
    network = mobilefacenet.build(fetch("mobilefacenet", weights)["MobileFaceNet.tflite"])
    adapt(
        network,
        camera_pairs(known, camera, _VERSIONS),
        camera_pairs(others, camera, 1),
        told=lambda point, steps: print(
            f"step {point.step} of {steps}, loss {point.loss:.4f}, AUC {point.auc:.4f}", flush=True
        ),
    )
    cpu_s = time.process_time() - begun
    out.parent.mkdir(parents=True, exist_ok=True)
    save_adapted(network, out)
    after = _vectors(_served(out, weights), test, camera)
    rows.append(_row("**adapted**", after, test, cpu_s))
    beside = Vectors(of_test.clean, after.camera)
    rows.append(_row("unchanged for the gallery, adapted for the camera", beside, test, cpu_s))
    return _text(rows, test)


def _served(file: Path, weights: Path) -> Embedder:
    """A model of one's own as serving runs it."""
    wish = Wish(preprocessing=Preprocessing(mean=0, scale=1))
    made = convert_file(file, weights, wish)
    card = own_embedder("adapted", made.folder, weights)
    return load_network_embedder(card, weights, resolve_device("cpu"))


def _vectors(embedder: Embedder, faces: Faces, camera: Camera) -> Vectors:
    clean, camera_view = list(faces.pictures), list(seen(faces, camera, 0))
    return Vectors(embedder.embed_crops(clean), embedder.embed_crops(camera_view))


def _best_ridge(known: Vectors, others: Vectors, faces: Faces) -> Ridge:
    """Of the penalties, the one that is best on the people to choose by."""
    fits = [Ridge.fit(known.camera, known.clean, penalty) for penalty in PENALTIES]
    return max(fits, key=lambda fit: cross(others.clean, fit(others.camera), faces.people).tmr[_AT])


def _row(name: str, vectors: Vectors, faces: Faces, cpu_s: float) -> Row:
    clean = cross(vectors.clean, vectors.clean, faces.people)
    camera = cross(vectors.camera, vectors.camera, faces.people)
    mixed = cross(vectors.clean, vectors.camera, faces.people)
    row = Row(name, clean, camera, mixed, *_open_set(vectors, faces), cpu_s)
    print(name, clean.tmr, camera.tmr, mixed.tmr, row.fpir, row.named, f"{cpu_s:.0f}", flush=True)
    return row


def _open_set(vectors: Vectors, faces: Faces) -> tuple[float, float]:
    """One clean photo of each person who has several is enrolled; the camera sees the others, and
    strangers. The threshold is set by half of the strangers and holds for the other half: the
    share of those who are named, and of known people who are named rightly."""
    everywhere: NDArray[np.bool_] = np.ones(len(faces), bool)
    order = np.argsort(faces.people, kind="stable")
    found = search(faces.people[order], vectors.clean[order], vectors.camera[order], everywhere)
    best = found.best_strangers
    halves = best[::2], best[1::2]
    shares = []
    for mine, theirs in (halves, halves[::-1]):
        threshold = threshold_at(mine, _FPIR)
        shares.append(((theirs >= threshold).mean(), (found.hits >= threshold).mean()))
    fpir, named = np.mean(shares, axis=0).tolist()
    return fpir, named


def _text(rows: list[Row], test: Faces) -> str:
    def tmr(found: Crossing) -> str:
        return " / ".join(f"{value:.3f}" for value in found.tmr)

    cells = []
    for row in rows:
        low, high = row.mixed.interval(_AT)
        cells.append(
            [
                row.name,
                tmr(row.clean),
                tmr(row.camera),
                tmr(row.mixed),
                f"{low:.3f} to {high:.3f}",
                f"{100 * row.fpir:.1f} %",
                f"{100 * row.named:.1f} %",
                f"{row.cpu_s:.0f}" if row.cpu_s else "",
            ]
        )
    head = [
        "TMR at FMR 1e-2 / 1e-3 / 1e-4",
        "clean",
        "camera, camera",
        "clean, camera",
        "at 1e-3, 95 %",
        "strangers named",
        "known people named",
        "CPU s",
    ]
    adapted = rows[3]
    baseline = max(rows[1:3], key=lambda row: row.mixed.tmr[_AT])
    gain = adapted.mixed.gain_over(baseline.mixed, _AT)
    loss = adapted.clean.gain_over(rows[0].clean, RATES.index(1e-4))
    return (
        f"{len(test.names)} people and {len(test)} photos.\n\n{table(head, cells)}\n\n"
        f"Adapted over {baseline.name}, clean against camera at 1e-3: {_difference(gain)}. "
        f"Clean at 1e-4, adapted over unchanged: {_difference(loss)}."
    )


def _difference(values: tuple[float, float, float]) -> str:
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*values)
