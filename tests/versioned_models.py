"""Models of one's own that no engine runs, and a fake engine that tells their versions apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml_engine.matching import ImpostorCurve
from ml_engine.request import ORDINARY, Ask
from ml_engine.types import Face
from ml_engine.zoo import EmbedderCard, preset
from ml_engine.zoo.own import CARD_FILE, NETWORK_FILES, OwnCard
from recognition.people.model_files import card_of_version
from recognition.people.models import ModelVersion
from tests.fakes import FakeEngine, Image, looks_at, person_at

DIMENSION = 256


def own_version(folder: Path, name: str, content: bytes) -> ModelVersion:
    """A row with its card, and a curve. Other content is another version of the name."""
    digest = hashlib.sha256(content).hexdigest()
    card = OwnCard(
        source="keras",
        source_sha256=digest,
        input="input",
        output="output",
        runtime="litert",
        network_sha256=digest,
        graph_sha256="",
        size=32,
        dimension=DIMENSION,
    )
    path = folder / digest
    path.mkdir()
    (path / CARD_FILE).write_bytes(card.to_bytes())
    (path / NETWORK_FILES[card.runtime]).write_bytes(content)
    row = ModelVersion.objects.create(
        role="embedder",
        source="file",
        name=name,
        file=str(path),
        sha256=card.sha256,
        dimension=DIMENSION,
    )
    detector = preset("mtcnn").version
    curve = ImpostorCurve(row.version, detector, (0.2, 0.3, 0.4), (0.1, 0.01, 1e-4), 9, "own")
    row.impostor_curves = {detector: curve.to_dict()}
    row.save()
    return row


class VersionedEngine(FakeEngine):
    """Two versions see the same face as vectors that have nothing in common.

    embedded: the versions, in the order of the calls. faults: what a version raises, by version.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Exception] = {}
        self.embedded: list[str] = []

    def embedder(self, model: str | None = None) -> EmbedderCard:
        card = card_of_version(model) if model and "@" in model else None
        return card or super().embedder(model)

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        card = self.embedder(embedder)
        if fault := self.faults.get(card.version):
            raise fault
        self.embedded.append(card.version)
        return [
            face.with_embedding(
                _vector(card, person_at(image, face), looks_at(image)), card.version
            )
            for face in faces
        ]


def _vector(card: EmbedderCard, person: int, looks: int) -> np.ndarray:
    seed = int(card.sha256[:8], 16)
    base = np.random.default_rng([seed, person]).standard_normal(card.dimension)
    noise = np.random.default_rng([seed, person, looks, 8]).standard_normal(card.dimension)
    vector = base + 0.33 * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)
