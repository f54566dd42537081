"""The rows. One row's own rules are methods here; everything wider is a service."""

from recognition.models.calibration import Calibration
from recognition.models.camera import Camera
from recognition.models.collection import Collection
from recognition.models.event import Event
from recognition.models.gallery_change import GalleryChange
from recognition.models.idempotency import IdempotencyRecord
from recognition.models.model_version import ModelVersion
from recognition.models.negative import Negative
from recognition.models.person import FaceImage, Person, Template
from recognition.models.trained_decider import TrainedDecider

__all__ = [
    "Calibration",
    "Camera",
    "Collection",
    "Event",
    "FaceImage",
    "GalleryChange",
    "IdempotencyRecord",
    "ModelVersion",
    "Negative",
    "Person",
    "Template",
    "TrainedDecider",
]
