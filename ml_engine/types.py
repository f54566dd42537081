"""Values that the engine takes and gives.

Conventions, everywhere in the engine: images are RGB uint8 ``(h, w, 3)``; boxes are float32
``x1, y1, x2, y2`` in pixels of the picture that was given; landmarks are five points in the order
left eye, right eye, nose, left mouth corner, right mouth corner as seen in the picture;
embeddings are float32 of length 1; a score is better when it is higher.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Float32 = NDArray[np.float32]


class EngineError(Exception):
    """Base of every error raised on purpose. `code` is stable, `message` is for people."""

    code = "engine_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code:
            self.code = code


class ImageError(EngineError):
    """A picture that is refused. Codes: see `ml_engine.images`."""

    code = "bad_image"


class EngineBusy(EngineError):
    """The queue is full: try again after `retry_after_s` seconds."""

    code = "engine_busy"

    def __init__(self, message: str = "The engine's queue is full.", *, retry_after_s: float = 1.0):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(EngineBusy):
    """The call's deadline passed while it waited in the queue, or while it was worked on."""

    code = "deadline_exceeded"

    def __init__(self, message: str = "The deadline passed before the engine was done.") -> None:
        super().__init__(message)


class EngineClosed(EngineError):
    """The engine was closed while the call waited, or before it."""

    code = "engine_closed"


class ModelFileError(EngineError):
    """The file of a model cannot be used. detail: for logs and the command line, which `str` shows;
    `message` may be told to anybody, so it names no folder of the machine."""

    def __init__(self, message: str, *, detail: object = None) -> None:
        super().__init__(message)
        self.detail = detail

    def __str__(self) -> str:
        return self.message if self.detail is None else f"{self.message} ({self.detail})"


class WeightsUnavailable(ModelFileError):
    """Weights could not be fetched, or are not the file that was pinned."""

    code = "weights_unavailable"


class ModelMismatch(EngineError):
    """Vectors of one model version met something that belongs to another."""

    code = "model_mismatch"


class ModelUnusable(ModelFileError):
    """A file of the user's own holds no network that fits its card."""

    code = "model_unusable"


class ModelRefused(ModelFileError):
    """A file of the user's own that is not read or not run; the message names the cause."""

    code = "model_refused"


class ModelUnfinished(ModelRefused):
    """Nothing is known about the file: the machine had not the time or the memory to read it."""

    code = "model_unfinished"


class ModelMissing(EngineError):
    """No model of this version is known here. available: the version of this name that is."""

    code = "model_version_missing"

    def __init__(self, version: str, *, available: str | None = None) -> None:
        there = f"; there is {available}" if available else ""
        super().__init__(f"There is no model {version}{there}.")
        self.version = version
        self.available = available


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised. `score` in 0..1; the parts are measured, not judged.

    size_px: shorter side of the box. detail_px: how many of these pixels show something of their
    own; fewer if the picture was enlarged. sharpness: see `ml_engine.quality`. noise, blocking:
    random grain, and the edges of compression blocks, against the contrast of the face.
    brightness: mean luma, 0..255. yaw, pitch, roll: degrees, estimated from the landmarks.
    detection: detector's score. covered: 0..1: 1 if the eyes or the mouth cannot be seen.
    reasons: codes of the faults (`too_small`, `low_resolution`, `blurred`, `noisy`, `compressed`,
    `too_dark`, `too_bright`, `turned_away`, `tilted`, `covered`, `low_detection_score`), worst
    first; empty for a good face.
    """

    score: float
    size_px: float
    detail_px: float
    sharpness: float
    noise: float
    blocking: float
    brightness: float
    yaw: float
    pitch: float
    roll: float
    detection: float
    reasons: tuple[str, ...] = ()
    covered: float = 0.0


@dataclass(frozen=True, slots=True)
class Face:
    """One face of one picture.

    quality, embedding: None if they were not asked for. model: version of the embedder. turn:
    degrees, 0, 90, 180 or 270, by which the picture is to be turned clockwise for an upright face.
    """

    box: Float32  # (4,)
    landmarks: Float32  # (5, 2)
    score: float
    quality: Quality | None = None
    embedding: Float32 | None = field(default=None, repr=False)  # (d,)
    model: str | None = None
    turn: int = 0

    def with_embedding(self, embedding: Float32, model: str) -> Face:
        return replace(self, embedding=embedding, model=model)

    @property
    def size_px(self) -> float:
        """Shorter side of the box in pixels."""
        return float(min(self.box[2] - self.box[0], self.box[3] - self.box[1]))
