"""Following faces through frames, and one decision for each track."""

from ml_engine.tracking.consensus import LEAST_QUALITY, Consensus
from ml_engine.tracking.tracker import Track, Tracker

__all__ = ["LEAST_QUALITY", "Consensus", "Track", "Tracker"]
