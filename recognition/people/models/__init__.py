"""The rows of galleries. A rule about one row is a method here; every other rule is a service."""

from recognition.people.models.calibration import Calibration
from recognition.people.models.collection import Collection
from recognition.people.models.gallery_change import GalleryChange
from recognition.people.models.gallery_snapshot import GallerySnapshot
from recognition.people.models.lookalike import Lookalike
from recognition.people.models.model_change import (
    GalleryProcess,
    LoadedCandidate,
    ModelChange,
    ModelChangeLoss,
)
from recognition.people.models.model_version import ModelVersion
from recognition.people.models.negative import Negative
from recognition.people.models.person import FaceImage, Person, Template
from recognition.people.models.trained_decider import TrainedDecider
from recognition.people.models.trained_person import TrainedPerson

__all__ = [
    "Calibration",
    "Collection",
    "FaceImage",
    "GalleryChange",
    "GalleryProcess",
    "GallerySnapshot",
    "LoadedCandidate",
    "Lookalike",
    "ModelChange",
    "ModelChangeLoss",
    "ModelVersion",
    "Negative",
    "Person",
    "Template",
    "TrainedDecider",
    "TrainedPerson",
]
