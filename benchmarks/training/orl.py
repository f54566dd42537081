"""ORL from nothing: 24 people to train on, 6 to choose weights and threshold by, 10 to test on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.document import table
from ml_engine.embedding.base import unit
from ml_engine.recipe import Settings
from ml_engine.training.checkpoint import Judged
from ml_engine.training.data import Faces, load_folder, split
from ml_engine.training.judging import Figures, embed, figures
from ml_engine.training.train import Trained, build_machine, network_with, train
from ml_engine.types import Float32

_OTHERS, _TEST = 6, 10
_COMPONENTS = 100
# Each split has a seed of its own, so the settings name the run.
_RUNS: dict[Settings, Trained] = {}
# Gives vectors of length 1 for any faces, once it was trained on the first and, on the second,
# chose the best weights.
Embed = Callable[[Faces], Float32]
Trainer = Callable[[Settings, Faces, Faces], Embed]


@dataclass(frozen=True, slots=True)
class Result:
    figures: Figures
    cpu_s: float


def benchmark(data: Path, splits: list[int], comparisons: list[int], settings: Settings) -> str:
    """comparisons: the splits on which the runs without something are made."""
    faces = load_folder(data, size=settings.design.size, channels=1)
    rows = []
    for name, (trainer, chosen, numbers) in _rows(settings, splits, comparisons).items():
        results = {}
        for number in numbers:
            results[number] = _result(trainer, replace(chosen, seed=number), faces, number)
            print(f"{name}, split {number}: {results[number]}", flush=True)
        rows.append(_row(name, results, splits))
    head = [
        "ORL",
        *(f"split {number}" for number in splits),
        "balanced accuracy, mean",
        "AUC, by split",
        "AUC, mean",
        "TMR at FMR 1 %",
        "CPU s, most",
    ]
    return table(head, rows)


def _rows(
    settings: Settings, splits: list[int], comparisons: list[int]
) -> dict[str, tuple[Trainer, Settings, list[int]]]:
    without_dropout = replace(settings, design=replace(settings.design, dropout=0.0))
    without_augmentation = replace(settings, augmentation="none")
    return {
        "random network": (_random, settings, splits),
        "PCA and LDA (Fisherfaces)": (_fisherfaces, settings, splits),
        "**trained**": (_trained, settings, splits),
        "without early stopping": (_last, settings, splits),
        "without augmentation": (_trained, without_augmentation, comparisons),
        "without dropout": (_trained, without_dropout, comparisons),
    }


def _result(trainer: Trainer, settings: Settings, faces: Faces, number: int) -> Result:
    known, others, test = split(faces, _OTHERS, _TEST, seed=number)
    begun = time.process_time()
    embedded = trainer(settings, known, others)
    cpu_s = time.process_time() - begun
    threshold = figures(embedded(others), others.people).threshold
    return Result(figures(embedded(test), test.people, threshold=threshold), cpu_s)


def _random(settings: Settings, known: Faces, others: Faces) -> Embed:
    network = build_machine(settings, people=2).network
    return lambda faces: embed(network, faces.pictures)


def _trained(settings: Settings, known: Faces, others: Faces) -> Embed:
    found = _run(settings, known, others)
    return lambda faces: embed(found.network, faces.pictures)


def _last(settings: Settings, known: Faces, others: Faces) -> Embed:
    """All epochs and the last weights. A run that did not stop early has taken the same steps."""
    found = _run(settings, known, others)
    if found.position.is_over:
        found = train(replace(settings, patience=0), known, others)
    network = network_with(settings, found.last)
    return lambda faces: embed(network, faces.pictures)


def _run(settings: Settings, known: Faces, others: Faces) -> Trained:
    if settings not in _RUNS:
        _RUNS[settings] = train(settings, known, others, told=_tell)
    return _RUNS[settings]


def _tell(point: Judged, steps: int) -> None:
    print(f"  {point.step}/{steps} loss {point.loss:.3f} AUC {point.auc:.4f}", flush=True)


def _fisherfaces(settings: Settings, known: Faces, others: Faces) -> Embed:
    """Belhumeur, Hespanha, Kriegman, "Eigenfaces vs. Fisherfaces", 1997."""

    def pixels(faces: Faces) -> Float32:
        return faces.pictures.reshape(len(faces), -1).astype(np.float32)

    components = PCA(_COMPONENTS, random_state=0).fit(pixels(known))
    planes = LinearDiscriminantAnalysis().fit(components.transform(pixels(known)), known.people)
    return lambda faces: unit(planes.transform(components.transform(pixels(faces))))


def _row(name: str, results: dict[int, Result], splits: list[int]) -> list[str]:
    def cell(number: int) -> str:
        return f"{results[number].figures.accuracy:.3f}" if number in results else ""

    found = [result.figures for result in results.values()]
    is_whole = len(found) == len(splits)
    return [
        name,
        *map(cell, splits),
        f"{np.mean([each.accuracy for each in found]):.3f}" if is_whole else "",
        " / ".join(f"{each.auc:.3f}" for each in found),
        f"{np.mean([each.auc for each in found]):.3f}" if is_whole else "",
        " / ".join(f"{each.tmr:.2f}" for each in found),
        f"{max(result.cpu_s for result in results.values()):.0f}",
    ]
