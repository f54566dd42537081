"""A linear SVM on a gallery: trained by scikit-learn, kept as arrays.

One classifier a person against all others (Cortes, Vapnik, "Support-Vector Networks", 1995). For
galleries of up to a few thousand people with several templates each: with one template each it did
worse than the nearest template on LFW, with three (222 people) equally well for MobileFaceNet (rank
1 .994 for both) and better for dlib's ResNet (.985 against .981). It ranks people and rejects
nobody: its scores are not calibrated.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ml_engine.matching.checked_file import DamagedFile
from ml_engine.types import Float32, ModelMismatch

FORMAT_VERSION = 2
# Templates are few and have many dimensions: little regularisation, as is usual for faces.
_C = 10.0
LEAST_PEOPLE = 10


@dataclass(frozen=True)
class LinearSvm:
    """A trained machine.

    model: the version `name@hash` that made the vectors.
    people: (p,). weights: (p, d). biases: (p,).
    """

    model: str
    people: tuple[str, ...]
    weights: Float32
    biases: Float32

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
            )
            is_whole = svm._sha256() == str(values["sha256"])
        except (AttributeError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise DamagedFile(f"This is no SVM: {error}") from error
        if not is_whole:
            raise DamagedFile("The SVM was changed after it was written.")
        return svm

    def _sha256(self) -> str:
        digest = hashlib.sha256("\0".join((self.model, *self.people)).encode())
        for values in (self.weights, self.biases):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def train_svm(vectors: Float32, people: Sequence[str], *, model: str) -> LinearSvm:
    """Train on a gallery: templates (n, d) of length 1, and the person of each.

    Raises:
        ValueError: fewer than ten people.
    """
    from sklearn.svm import LinearSVC

    # People by name: numbers might be taken for quantities. They come out sorted.
    owners = np.array(people)
    names = np.unique(owners)
    if len(names) < LEAST_PEOPLE:
        raise ValueError(f"An SVM needs {LEAST_PEOPLE} people, and there are {len(names)}.")
    machine = LinearSVC(C=_C, random_state=0, max_iter=3000)
    machine.fit(vectors, owners)
    weights, biases = machine.coef_.astype(np.float32), machine.intercept_.astype(np.float32)
    return LinearSvm(model, tuple(names.tolist()), weights, biases)
