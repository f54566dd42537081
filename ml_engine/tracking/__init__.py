"""Following faces through frames, and one decision for each track."""

from ml_engine.tracking.consensus import LEAST_QUALITY, NAME_S, Consensus
from ml_engine.tracking.tracker import Track, Tracker

__all__ = ["LEAST_QUALITY", "NAME_S", "Consensus", "Track", "Tracker"]
