"""Following faces through frames, and making up one's mind over a track."""

from ml_engine.tracking.consensus import LEAST_QUALITY, Consensus
from ml_engine.tracking.tracker import Track, Tracker

__all__ = ["LEAST_QUALITY", "Consensus", "Track", "Tracker"]
