"""A gallery of one photo of each person, in memory, with the thresholds of the service."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from ml_engine import Face
from ml_engine.matching import Candidate, Decision, ImpostorCurve, compared
from ml_engine.matching.calibration import DEFAULT_FPIR
from ml_engine.types import Float32
from recognition.live import rulebook as real
from recognition.people.models import Collection
from recognition.people.rules import Rules, curve_of_collection
from recognition.people.services.identification import decide_candidates

_PEOPLE = 5


class PhotoRulebook:
    """The part of `recognition.live.rulebook.Rulebook` that a stream uses.

    templates: of each person the face to compare with; those without are left out.
    """

    flips = False
    scored_by = None  # always the same

    def __init__(self, collection: Collection, templates: Mapping[Hashable, Face | None]) -> None:
        self.collection = collection
        found = {p: f.embedding for p, f in templates.items() if f and f.embedding is not None}
        self._people = list(found)
        self._vectors = np.stack(list(found.values()))
        curve = curve_of_collection(collection)
        assert curve is not None
        threshold = curve.threshold_for_gallery(len(found), DEFAULT_FPIR)
        model, margin = collection.embedder.version, collection.match_margin
        self.rules = Rules(model, threshold, margin, "gallery_size", curve)
        self.gallery = SimpleNamespace(revision=1, decided_by=None, ranks_by_similarity=True)

    @property
    def _curve(self) -> ImpostorCurve:
        assert self.rules.curve is not None
        return self.rules.curve

    # As the service derives them from the curve.
    same_face = cached_property(real.Rulebook.same_face.fget)  # type: ignore[attr-defined]
    likeness = cached_property(real.Rulebook.likeness.fget)  # type: ignore[attr-defined]

    def search(self, embeddings: Float32) -> list[list[Candidate]]:
        return [self._search(vector) for vector in embeddings]

    def _search(self, vector: Float32) -> list[Candidate]:
        similarities = self._vectors @ vector
        best = np.argpartition(-similarities, _PEOPLE)[:_PEOPLE]
        owners = [(self._people[n], int(n)) for n in best]
        found = compared(vector, self._vectors[best], owners, self._curve.scoring)
        return sorted(found, key=lambda candidate: -candidate.score)

    def decide(self, candidates: list[Candidate]) -> Decision:
        return decide_candidates(self.rules, candidates)
