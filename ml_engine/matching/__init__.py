"""Comparing embeddings: the index, the decision, the calibration of scores."""

from ml_engine.matching.calibration import ImpostorCurve
from ml_engine.matching.checked_file import DamagedFile
from ml_engine.matching.deciders import Decider, decider, without_vetoed
from ml_engine.matching.decision import (
    Candidate,
    Decision,
    compared,
    decide,
    name_once,
    person_candidates,
)
from ml_engine.matching.index import VectorIndex
from ml_engine.matching.svm import LinearSvm, train_svm

__all__ = [
    "Candidate",
    "DamagedFile",
    "Decider",
    "Decision",
    "ImpostorCurve",
    "LinearSvm",
    "VectorIndex",
    "compared",
    "decide",
    "decider",
    "name_once",
    "person_candidates",
    "train_svm",
    "without_vetoed",
]
