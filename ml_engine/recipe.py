"""What a network is trained or adapted with: the choices of a run, without the code that makes it.

All of it is in the record of the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ml_engine.networks.design import Design

Loss = Literal[
    "softmax", "sparse_softmax", "mean_squared", "squared_logarithmic", "absolute",
    "centre", "arcface", "triplet",
]  # fmt: skip
# AdagradDA, of TensorFlow 1, is not in Keras 3.
Optimiser = Literal["adam", "rmsprop", "momentum", "gradient_descent", "adagrad", "adadelta"]
Schedule = Literal["constant", "cosine", "steps", "linear"]
Augmentation = Literal["none", "weak", "strong"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults train 24 people of ORL in minutes on a CPU.

    people, pictures: of a batch (P x K). epochs: at most; an epoch is as many steps as show all
        pictures once.
    margin, scale: of the loss, if it has any.
    rate: learning rate; None is the optimiser's own.
    patience: epochs without a better figure on the other people, after which the run stops and the
        best weights are kept. 0: it does not stop, and the last weights are kept.
    judge_every: epochs between two looks at the other people.
    save_every: steps between two checkpoints.
    devices: TensorFlow's names, each of which takes an equal part of every batch; empty for the one
        that TensorFlow chooses.
    """

    design: Design = field(default_factory=Design)
    seed: int = 0
    people: int = 16
    pictures: int = 3
    epochs: int = 80
    loss: Loss = "arcface"
    margin: float = 0.2
    scale: float = 16.0
    optimiser: Optimiser = "adam"
    rate: float | None = None
    schedule: Schedule = "cosine"
    augmentation: Augmentation = "strong"
    patience: int = 40
    judge_every: int = 2
    save_every: int = 50
    precision: Precision = "float32"
    devices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How the last blocks of a network are adapted to a camera.

    keep: weight of the clean pictures in the loss.
    blend: share of the learned change that is kept. Weights between the old and the new ones lose
        less on clean pictures for what they give up on the camera's (Wortsman and others, "Robust
        Fine-Tuning of Zero-Shot Models", 2021, arXiv:2109.01903).
    """

    epochs: int = 3
    batch: int = 64
    rate: float = 5e-4
    keep: float = 1.0
    blend: float = 0.9
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
