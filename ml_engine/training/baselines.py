"""What a camera's vectors are worth without training: two baselines that cost nothing, beside the
adapted network.

A trained last layer is worth no more than these: moving the mean of the camera's vectors to the
clean mean, and a linear map (ridge regression).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.embedding.base import unit
from ml_engine.training.judging import Figures, figures, figures_between
from ml_engine.types import Float32

PENALTIES = (0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class MeanShift:
    """Vectors of the camera, moved by the difference of the means."""

    shift: Float32

    @classmethod
    def fit(cls, camera: Float32, clean: Float32) -> MeanShift:
        """(n, d) of length 1 both, of the same faces."""
        return cls(clean.mean(axis=0) - camera.mean(axis=0))

    def __call__(self, camera: Float32) -> Float32:
        return unit(camera + self.shift)


@dataclass(frozen=True, slots=True)
class Ridge:
    """Vectors of the camera, mapped linearly by ridge regression."""

    camera_mean: Float32
    clean_mean: Float32
    matrix: Float32

    @classmethod
    def fit(cls, camera: Float32, clean: Float32, penalty: float) -> Ridge:
        """(n, d) of length 1 both, of the same faces. penalty: in shares of the mean variance."""
        x, y = camera - camera.mean(axis=0), clean - clean.mean(axis=0)
        covariance = x.T @ x / len(x)
        weight = penalty * np.trace(covariance) / len(covariance)
        matrix = np.linalg.solve(covariance + weight * np.eye(len(covariance)), x.T @ y / len(x))
        return cls(camera.mean(axis=0), clean.mean(axis=0), matrix.astype(np.float32))

    def __call__(self, camera: Float32) -> Float32:
        mapped = (camera - self.camera_mean) @ self.matrix + self.clean_mean
        return unit(mapped.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Seen:
    """Vectors of length 1 of the same photos by one network: clean (n, d), and as the camera gives
    them (n, d). people: (n,)."""

    clean: Float32
    camera: Float32
    people: NDArray[np.intp]

    def crossing(self, camera: Float32) -> Figures:
        """Of these vectors of the camera against the clean ones of other photos."""
        return figures_between(self.clean, camera, self.people, np.arange(len(self.people)))


@dataclass(frozen=True, slots=True)
class Compared:
    """camera: figures of camera pictures against clean ones. clean: among clean pictures."""

    name: str
    camera: Figures
    clean: Figures


def compare(known: Seen, others: Seen, tested: Seen, adapted: Seen) -> list[Compared]:
    """The unchanged network, both baselines on top of it, and the adapted network.

    Args:
        known: by the unchanged network, of the people trained on. others: of those chosen by.
        tested, adapted: of people who are neither, by the unchanged and by the adapted network.
    """
    shift = MeanShift.fit(known.camera, known.clean)
    clean = figures(tested.clean, tested.people)
    return [
        Compared("unchanged", tested.crossing(tested.camera), clean),
        Compared("mean_shift", tested.crossing(shift(tested.camera)), clean),
        Compared("ridge", tested.crossing(best_ridge(known, others)(tested.camera)), clean),
        Compared(
            "adapted", adapted.crossing(adapted.camera), figures(adapted.clean, adapted.people)
        ),
    ]


def best_ridge(known: Seen, others: Seen) -> Ridge:
    """Of the penalties, the one that is best on other people."""
    fits = [Ridge.fit(known.camera, known.clean, penalty) for penalty in PENALTIES]
    return max(fits, key=lambda fit: others.crossing(fit(others.camera)).auc)
