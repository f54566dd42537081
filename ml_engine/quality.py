"""How well a face can be recognised, by cheap measurements.

The score is the chance that the face is matched with a good photo of the same person at a threshold
that one in 10,000 strangers reaches: a logistic function of how far each part is from good. What is
good, the weights and the limits were measured on LFW: on its genuine pairs as they are (`python -m
benchmarks.laboratory quality` draws how errors fall when the worst are thrown away), and on 366 of
them with one photo made smaller, blurred, darkened, overexposed or turned, in 32 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Face, Float32, Quality

Policy = Literal["off", "standard", "strict"]


CROP_PX = 112
# The part of the crop that shows the face without hair and background. Measurements on the whole
# crop do not predict errors.
_FACE = (slice(30, 102), slice(22, 90))
# Energy of a typical photo of LFW, sideways and up and down: a sharpness of 1.
_TYPICAL_ENERGY = (0.152, 0.298)
# Of a face without a fault: 98 % are matched.
_CERTAINTY = 3.97


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a policy; faces beyond them are refused. Angles in degrees."""

    min_size_px: float
    min_sharpness: float
    min_brightness: float
    max_brightness: float
    max_yaw: float
    max_pitch: float
    max_roll: float
    min_detection: float


# The share that still matches at these limits, of 95 % without a fault. Standard: 32 px 92 %,
# sharpness 0.12 82 %, brightness 25 80 % and 215 75 %, roll 50 85 %. Strict: 48 px and above no
# loss, sharpness 0.25 92 %, brightness 40 93 % and 195 90 %, roll 30 94 %. Yaw as it can be told
# from landmarks did no harm below 50; of pairs with a pitch of 20 to 25, 9 % are missed, of 30 and
# more 23 %. Below a detection score of 0.8 less than a third are matched, at 0.95 to 0.98 three
# quarters.
POLICIES: dict[str, Limits] = {
    "standard": Limits(32, 0.12, 25, 215, 55, 35, 50, 0.80),
    "strict": Limits(48, 0.25, 40, 195, 45, 22, 30, 0.95),
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
        "brightness": float(grey[_FACE].mean()),
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "detection": float(face.score),
    }
    return Quality(score=_score(**parts), reasons=reasons(POLICIES["standard"], **parts), **parts)


def refusals(quality: Quality, policy: Policy) -> tuple[str, ...]:
    """Codes of the reasons why a policy refuses a face; empty if it accepts it."""
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
    """Grey crop (112, 112) to about 1 for a press photo, 0.2 for a blurred one.

    Energy of the second difference over two pixels, against the contrast of the face, after
    averaging 2x2 pixels, which takes noise off. Sideways and up and down apart, and the smaller one
    counts: motion blurs in one direction only.
    """
    face = grey[_FACE]
    contrast = float(face.var()) + 25.0
    fine = (face[:-1, :-1] + face[1:, :-1] + face[:-1, 1:] + face[1:, 1:]) / 4
    sideways = fine[:, :-4] - 2 * fine[:, 2:-2] + fine[:, 4:]
    upward = fine[:-4] - 2 * fine[2:-2] + fine[4:]
    energies = (float(np.mean(part**2)) / contrast for part in (sideways, upward))
    return min(energy / typical for energy, typical in zip(energies, _TYPICAL_ENERGY, strict=True))


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
    """Codes of the parts outside the limits, worst first."""
    shortfalls = {
        "low_detection_score": limits.min_detection / max(detection, 1e-6),
        "too_small": limits.min_size_px / max(size_px, 1e-6),
        "blurred": limits.min_sharpness / max(sharpness, 1e-6),
        "too_dark": limits.min_brightness / max(brightness, 1e-6),
        "too_bright": brightness / limits.max_brightness,
        "turned_away": max(abs(yaw) / limits.max_yaw, abs(pitch) / limits.max_pitch),
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
    """Each part's shortfall from good, weighted, to a chance."""

    def below(value: float, good: float) -> float:
        return float(np.log(good / max(value, 1e-6))) if value < good else 0.0

    def beyond(value: float, good: float, unit: float) -> float:
        return max(0.0, abs(value) - good) / unit

    # Dark skin is no fault. So darkness counts only below the brightness at which darkening one and
    # the same photo costs matches, though LFW's darker faces are matched less often than others.
    faults = (
        0.15 * below(size_px, 45)
        + 1.0 * below(sharpness, 1.6)
        + 0.6 * below(brightness, 50)
        + 2.0 * beyond(brightness, 165, 60)
        + 0.2 * beyond(yaw, 40, 30)
        + 1.6 * beyond(pitch, 8, 30)
        + 0.3 * beyond(roll, 20, 30)
        + 0.7 * float(np.log(max(1 - detection, 0.005) / 0.005))
    )
    return float(1 / (1 + np.exp(faults - _CERTAINTY)))
