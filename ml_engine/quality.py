"""How well a face can be recognised, from what can be measured cheaply.

Sharpness is the mean squared Laplacian of the aligned grey crop of 112x112 divided by its variance,
so that contrast and light do not count as sharpness. Pose is estimated from the five landmarks.
The score is the product of one factor for each part, each 1 where nothing is wrong and falling to
0; a product, because one fault is enough to spoil a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Face, Float32, Quality

Policy = Literal["off", "standard", "strict"]


CROP_PX = 112


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy refuses. Angles in degrees."""

    min_size_px: float
    min_sharpness: float
    min_brightness: float
    max_brightness: float
    max_yaw: float
    max_roll: float
    min_detection: float


POLICIES: dict[str, Limits] = {
    "standard": Limits(32, 0.010, 35, 232, 50, 60, 0.80),
    "strict": Limits(72, 0.030, 60, 215, 28, 30, 0.95),
}

REASON_TEXTS = {
    "too_small": "the face is too small: move closer, or use a larger picture",
    "blurred": "the face is blurred: hold still, or focus",
    "too_dark": "the face is too dark: more light from the front helps",
    "too_bright": "the face is too bright: less light",
    "turned_away": "the face is turned away: look towards the camera",
    "tilted": "the head is tilted far to one side",
    "low_detection_score": "it is not certain that this is a face",
}


def measure(face: Face, crop: NDArray[np.uint8]) -> Quality:
    """face: with box, landmarks, score. crop: cut by `TEMPLATE_112`, RGB (112, 112, 3)."""
    grey = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    yaw, pitch, roll = pose(face.landmarks)
    parts = {
        "size_px": face.size_px,
        "sharpness": sharpness(grey),
        "brightness": float(grey.mean()),
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "detection": float(face.score),
    }
    return Quality(score=_score(**parts), reasons=reasons(POLICIES["standard"], **parts), **parts)


def refusals(quality: Quality, policy: Policy) -> tuple[str, ...]:
    """Codes of what a policy refuses in a face; empty where it is accepted."""
    if policy == "off":
        return ()
    return reasons(
        POLICIES[policy],
        size_px=quality.size_px,
        sharpness=quality.sharpness,
        brightness=quality.brightness,
        yaw=quality.yaw,
        pitch=quality.pitch,
        roll=quality.roll,
        detection=quality.detection,
    )


def sharpness(grey: Float32) -> float:
    """Grey (s, s) float to the Laplacian's energy over the variance; about 0.002 (blurred) to 1."""
    centre = grey[1:-1, 1:-1]
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    energy = float(np.mean((neighbours - 4 * centre) ** 2))
    return energy / (float(grey.var()) + 25.0)


def pose(landmarks: Float32) -> tuple[float, float, float]:
    """Landmarks (5, 2) to yaw, pitch, roll in degrees, roughly: 0 is towards the camera.

    Upright, the nose lies between the eyes (yaw) and about 0.55 of the way from eyes to mouth
    (pitch); how far it is off, against the distance of the eyes, is the sine of the turn.
    """
    left, right, nose, mouth_left, mouth_right = landmarks.astype(np.float64)
    across = right - left
    distance = max(float(np.hypot(*across)), 1e-6)
    roll = float(np.degrees(np.arctan2(across[1], across[0])))
    unit_x = across / distance
    unit_y = np.array([-unit_x[1], unit_x[0]])
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    height = max(float((mouth - eyes) @ unit_y), 1e-6)
    middle = (eyes + mouth) / 2
    sideways = float((nose - middle) @ unit_x) / distance
    down = float((nose - eyes) @ unit_y) / height
    yaw = float(np.degrees(np.arcsin(np.clip(sideways / 0.6, -1, 1))))
    pitch = float(np.degrees(np.arcsin(np.clip((down - 0.55) / 0.6, -1, 1))))
    return yaw, pitch, roll


def reasons(
    limits: Limits,
    *,
    size_px: float,
    sharpness: float,
    brightness: float,
    yaw: float,
    pitch: float,
    roll: float,
    detection: float,
) -> tuple[str, ...]:
    """Codes of what lies outside the limits, worst first."""
    shortfalls = {
        "low_detection_score": limits.min_detection / max(detection, 1e-6),
        "too_small": limits.min_size_px / max(size_px, 1e-6),
        "blurred": limits.min_sharpness / max(sharpness, 1e-6),
        "too_dark": limits.min_brightness / max(brightness, 1e-6),
        "too_bright": brightness / limits.max_brightness,
        "turned_away": max(abs(yaw), abs(pitch)) / limits.max_yaw,
        "tilted": abs(roll) / limits.max_roll,
    }
    wrong = {code: ratio for code, ratio in shortfalls.items() if ratio > 1}
    return tuple(sorted(wrong, key=lambda code: -wrong[code]))


def _score(
    *,
    size_px: float,
    sharpness: float,
    brightness: float,
    yaw: float,
    pitch: float,
    roll: float,
    detection: float,
) -> float:
    def ramp(value: float, bad: float, good: float) -> float:
        return float(np.clip((value - bad) / (good - bad), 0, 1))

    factors = (
        ramp(size_px, 10, 90),
        0.3 + 0.7 * ramp(np.log(max(sharpness, 1e-6)), np.log(0.004), np.log(0.05)),
        ramp(brightness, 10, 70) * ramp(brightness, 253, 215),
        ramp(abs(yaw), 75, 20),
        0.4 + 0.6 * ramp(abs(pitch), 60, 25),
        0.4 + 0.6 * ramp(abs(roll), 80, 25),
        ramp(detection, 0.4, 0.98),
    )
    return float(np.prod(factors))
