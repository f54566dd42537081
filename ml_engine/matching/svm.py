"""A linear SVM on a gallery: trained by scikit-learn, kept as arrays.

One classifier a person against all others (Cortes, Vapnik, "Support-Vector Networks", 1995). For
galleries of up to a few thousand people with several templates each: with one template each it did
worse than the nearest template on LFW, with three (222 people) equally well for MobileFaceNet (rank
1 .994 for both) and better for dlib's ResNet (.985 against .981). Its rejection costs more than a
threshold on the similarity does (FNIR .041 against .031 at one stranger named in a hundred), and
needs no calibration.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.vector_file import DamagedFile
from ml_engine.types import Float32, ModelMismatch

FORMAT_VERSION = 1
# Templates are few and have many dimensions: little regularisation, as is usual for faces.
_C = 10.0
_FOLDS = 5
LEAST_PEOPLE = 2 * _FOLDS


@dataclass(frozen=True)
class LinearSvm:
    """A trained machine.

    model: the version `name@hash` that made the vectors.
    people: (p,). weights: (p, d). biases: (p,).
    rejection: the score that a probe must reach; below it the face is a stranger's.
    """

    model: str
    people: tuple[str, ...]
    weights: Float32
    biases: Float32
    rejection: float

    @cached_property
    def row_of(self) -> dict[str, int]:
        return {person: row for row, person in enumerate(self.people)}

    def scores(self, probes: Float32, *, model: str) -> Float32:
        """Probes (n, d) to (n, p): over zero on the person's side of their plane.

        Raises:
            ModelMismatch: `model`, which made the probes, is not the machine's.
        """
        self.check(model)
        return probes @ self.weights.T + self.biases

    def check(self, model: str) -> None:
        """ModelMismatch unless it was trained on vectors of this version."""
        if model != self.model:
            raise ModelMismatch(f"The SVM was trained on {self.model}, not on {model}.")

    def without(self, people: Collection[str]) -> LinearSvm:
        """The machine without the planes of these people. The planes of the others still tell them
        from these people, until the next training."""
        kept = [row for row, person in enumerate(self.people) if person not in people]
        return replace(
            self,
            people=tuple(self.people[row] for row in kept),
            weights=self.weights[kept],
            biases=self.biases[kept],
        )

    def to_bytes(self) -> bytes:
        """The content of an `.npz` file."""
        file = io.BytesIO()
        np.savez(
            file,
            version=FORMAT_VERSION,
            model=self.model,
            people=np.array(self.people, np.str_),
            weights=self.weights,
            biases=self.biases,
            rejection=self.rejection,
            sha256=self._sha256(),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, *, model: str) -> LinearSvm:
        """Read what `to_bytes` gave.

        Raises:
            ModelMismatch: trained on another model's vectors, or of another format.
            DamagedFile: cut off or changed.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                values = {name: file[name] for name in file.files}
            version, trained_on = int(values["version"]), str(values["model"])
            if version != FORMAT_VERSION or trained_on != model:
                raise ModelMismatch(f"The SVM was trained on {trained_on}, not on {model}.")
            svm = cls(
                trained_on,
                tuple(values["people"].tolist()),
                values["weights"],
                values["biases"],
                float(values["rejection"]),
            )
            is_whole = svm._sha256() == str(values["sha256"])
        except (AttributeError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise DamagedFile(f"This is no SVM: {error}") from error
        if not is_whole:
            raise DamagedFile("The SVM was changed after it was written.")
        return svm

    def _sha256(self) -> str:
        digest = hashlib.sha256("\0".join((self.model, *self.people)).encode())
        for values in (self.weights, self.biases, np.float64(self.rejection)):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def train_svm(
    vectors: Float32, people: Sequence[str], *, model: str, fpir: float = 0.01
) -> LinearSvm:
    """Train on a gallery: templates (n, d) of length 1, and the person of each.

    There are no strangers to train on, so a fifth of the people at a time is left out and plays
    them. The best scores of their templates are those that strangers reach; the rejection is the
    score that a share `fpir` of them reaches.

    Raises:
        ValueError: fewer than ten people.
    """
    owners = np.array(people)
    names, rows = np.unique(owners, return_inverse=True)
    if len(names) < LEAST_PEOPLE:
        raise ValueError(f"An SVM needs {LEAST_PEOPLE} people, and there are {len(names)}.")
    fold_of = np.random.default_rng(0).permutation(len(names)) % _FOLDS
    strangers = [
        _best_of_left_out(vectors, owners, fold_of[rows] == fold) for fold in range(_FOLDS)
    ]
    weights, biases = _train(vectors, owners)
    rejection = float(np.quantile(np.concatenate(strangers), 1 - fpir))
    return LinearSvm(model, tuple(names.tolist()), weights, biases, rejection)


def _best_of_left_out(
    vectors: Float32, owners: NDArray[np.str_], is_left_out: NDArray[np.bool_]
) -> Float32:
    weights, biases = _train(vectors[~is_left_out], owners[~is_left_out])
    return (vectors[is_left_out] @ weights.T + biases).max(axis=1)


def _train(vectors: Float32, owners: NDArray[np.str_]) -> tuple[Float32, Float32]:
    from sklearn.svm import LinearSVC

    # People by name: numbers might be taken for quantities. They come out sorted.
    machine = LinearSVC(C=_C, random_state=0, max_iter=3000)
    machine.fit(vectors, owners)
    return machine.coef_.astype(np.float32), machine.intercept_.astype(np.float32)
