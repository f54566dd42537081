"""Every row of the tables of choices: does a network with it learn what helps with other people?

Each run is short and changes one choice. It is judged by the AUC on 16 people of ORL whom it was
not trained on, beside the AUC of the same network before the training. A falling loss would say
nothing: it is not comparable between losses, and the pictures trained on are always learned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

from benchmarks.document import table
from ml_engine import recipe as choices
from ml_engine.networks import design
from ml_engine.networks.design import Design
from ml_engine.recipe import Settings
from ml_engine.training.data import Faces, load_folder, split
from ml_engine.training.judging import judge
from ml_engine.training.optimisers import OPTIMISERS
from ml_engine.training.train import build_machine, train

_OTHERS = 16
# Of the pairs in the wrong order (1 - AUC), the share that may be left if something was learned.
_LEFT = 0.8
# AUC of networks that were not trained.
_BEFORE: dict[Design, float] = {}
_SHORT = Settings(
    design=Design(network="cnn", width=0.5, dropout=0.2),
    people=8,
    pictures=4,
    loss="softmax",
    epochs=20,
    augmentation="weak",
    patience=0,
    judge_every=20,
)


def benchmark(data: Path) -> str:
    faces = load_folder(data, size=_SHORT.design.size, channels=1)
    known, others = split(faces, _OTHERS, seed=0)
    rows = [_row(kind, name, chosen, known, others) for kind, name, chosen in _runs(known)]
    head = ["choice", "row", "learning rate", "loss", "AUC before", "AUC after", "learned", "CPU s"]
    return table(head, rows)


def _runs(known: Faces) -> Iterator[tuple[str, str, Settings]]:
    for optimiser in get_args(choices.Optimiser):
        yield "optimiser", optimiser, replace(_SHORT, optimiser=optimiser)
    for loss in get_args(choices.Loss):
        yield "loss", loss, replace(_SHORT, loss=loss)
    for activation in design.ACTIVATIONS:
        yield "activation", activation, _designed(activation=activation)
    for initialiser in design.INITIALISERS:
        yield "initialiser", initialiser, _designed(initialiser=initialiser)
    plain = replace(_SHORT.design, batch_norm=False).measured(known.pictures)
    for normalisation in design.NORMALISATIONS:
        chosen = replace(_SHORT, design=replace(plain, normalisation=normalisation))
        yield "normalisation, no batch norm", normalisation, chosen
    for pooling in design.POOLINGS:
        yield "pooling", pooling, _designed(pooling=pooling)
    for network, width in (("inception", 0.25), ("inception_naive", 0.25), ("resnet", 0.25)):
        yield "network", network, _designed(network=network, width=width)


def _designed(**changes: object) -> Settings:
    return replace(_SHORT, design=replace(_SHORT.design, **changes))  # type: ignore[arg-type]


def _row(kind: str, name: str, chosen: Settings, known: Faces, others: Faces) -> list[str]:
    begun = time.process_time()
    if chosen.design not in _BEFORE:
        network = build_machine(chosen, people=2).network
        _BEFORE[chosen.design] = judge(network, others).auc
    before = _BEFORE[chosen.design]
    found = train(chosen, known, others)
    point = found.position.curve[-1]
    row = [
        kind,
        name,
        f"{chosen.rate or OPTIMISERS[chosen.optimiser].rate:g}",
        f"{point.loss:.3g}",
        f"{before:.3f}",
        f"{point.auc:.3f}",
        "yes" if 1 - point.auc <= _LEFT * (1 - before) else "**no**",
        f"{time.process_time() - begun:.0f}",
    ]
    print(*row, sep="  ", flush=True)
    return row
