"""Looks and faces for tests of identities and visits."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np

from ml_engine import Face, Quality
from ml_engine.matching import Candidate, Decision, decide
from ml_engine.types import Float32
from ml_engine.zoo import preset
from recognition.live.identity import Identity
from recognition.live.looks import Look, SameFace
from tests.fakes import embedding_of

THRESHOLD = 0.5
SAME_FACE = SameFace(unlikely_below=0.35, likely_from=0.6)
# Looks at the first times settle a name; looks at the second ones settle that a face has none.
NAMED_BY, NAMELESS_BY = (0.0, 0.1, 0.2), (0.0, 0.2, 0.4, 0.7)


def decided(candidates: list[Candidate]) -> Decision:
    return decide(candidates, THRESHOLD, margin=0.03)


def match(person: str, similarity: float = 0.8) -> list[Candidate]:
    return [Candidate(person, 1, similarity), Candidate("somebody else", 2, 0.1)]


def nobody(similarity: float = 0.2) -> list[Candidate]:
    return [Candidate("ann", 1, similarity), Candidate("bob", 2, 0.1)]


def face_at(x: float, y: float = 0.0, side: float = 100.0, quality: float = 0.9) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    measured = Quality(quality, side, 40.0, 0.2, 0.01, 0.03, 128.0, 0.0, 0.0, 0.0, 0.99)
    return Face(box, np.zeros((5, 2), np.float32), 0.99, measured)


def look_at(
    identity: Identity,
    candidates: list[Candidate],
    at_s: float,
    *,
    number: int = 1,
    quality: float = 0.9,
) -> bool:
    """One look at the face of person `number`."""
    look = Look(embedding_of(number, looks=int(at_s * 10)), quality)
    return identity.look(look, candidates, at_s, decided, SAME_FACE)


def settled(candidates: list[Candidate], *, track: int = 1, number: int = 1) -> Identity:
    """An identity after looks from second 0 on."""
    identity = Identity(track, 0.0)
    for at_s in NAMED_BY if decided(candidates).kind == "match" else NAMELESS_BY:
        look_at(identity, candidates, at_s, number=number)
    return identity


class FakeRulebook:
    """The part of a `Rulebook` that a recogniser uses, without a database. people: numbers of the
    enrolled ones, who are also their names."""

    flips = False
    same_face = SAME_FACE
    likeness = SAME_FACE.likely_from
    collection = SimpleNamespace(embedder=preset("mobilefacenet"))
    scored_by = None
    gallery = SimpleNamespace(revision=1, ranks_by_similarity=True, decided_by=None)

    def __init__(self, people: Iterable[int]) -> None:
        self._people = list(people)
        self._vectors = np.stack([embedding_of(person) for person in self._people])

    def search(self, embeddings: Float32) -> list[list[Candidate]]:
        return [
            [Candidate(self._people[n], n, float(row[n])) for n in np.argsort(-row)[:5]]
            for row in embeddings @ self._vectors.T
        ]

    def decide(self, candidates: list[Candidate]) -> Decision:
        return decided(candidates)


def vector_of(number: int) -> Float32:
    return embedding_of(number)
