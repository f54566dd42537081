"""Comparing embeddings: the index, the decision, the calibration of scores."""

from ml_engine.matching.calibration import ImpostorCurve
from ml_engine.matching.decision import Candidate, Decision, decide, person_candidates
from ml_engine.matching.index import VectorIndex

__all__ = [
    "Candidate",
    "Decision",
    "ImpostorCurve",
    "VectorIndex",
    "decide",
    "person_candidates",
]
