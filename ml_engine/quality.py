"""How well a face can be recognised, by cheap measurements.

The score is the chance that the face is matched with a good photo of the same person at a threshold
that one in 10,000 strangers reaches: a logistic function of how far each part is from good. What is
good, the weights and the limits were measured on LFW: on its genuine pairs as they are (`python -m
benchmarks.laboratory quality` draws how errors fall when the worst are thrown away), and on 366 of
them with one photo made smaller, blurred, darkened, overexposed or turned, in 32 degrees; detail,
noise and blocking on 700 photos in the kinds of `ml_engine.evaluation.degradations`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml_engine.covers import covered
from ml_engine.types import Face, Float32, Image, Quality

Policy = Literal["off", "standard", "strict"]


CROP_PX = 112
# The part of the crop that shows the face without hair and background. Measurements on the whole
# crop do not predict errors.
_FACE = (slice(30, 102), slice(22, 90))
# Detail: sides that the crop is shrunk to, and the share of its contrast that may be lost. The box
# of a face is as wide as this share of the crop.
_SIDES = (10, 14, 20, 28, 40, 56, 80)
_LOST = 0.02
_BOX_SHARE = 0.7
# Blocks are looked for in faces of these sizes.
_BLOCKS_FROM_PX, _BLOCKS_TO_PX = 24, 2 * CROP_PX
# The least brightness of the lightest twentieth of a picture. Of 41 photos of LFW, darkened and
# with the noise of a sensor, 39 show a face at 40, 18 at 20, and none at 15.
_DARKEST = 20.0
# Energy of a typical photo of LFW, sideways and up and down: a sharpness of 1.
_TYPICAL_ENERGY = (0.152, 0.298)
# Of a face without a fault: 98 % are matched.
_CERTAINTY = 3.97


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a policy; faces beyond them are refused. Angles in degrees."""

    min_size_px: float
    min_detail_px: float
    min_sharpness: float
    max_noise: float
    max_blocking: float
    min_brightness: float
    max_brightness: float
    max_yaw: float
    max_pitch: float
    max_roll: float
    min_detection: float
    max_covered: float


# The share that still matches at these limits, of 95 % without a fault. Standard: 32 px 92 %,
# detail of 12 px 50 %, sharpness 0.12 82 %, noise 0.4 64 %, blocking 0.45 50 %, brightness 25 80 %
# and 215 75 %, roll 50 85 %. Strict: 48 px and above no loss, detail of 18 px 78 %, sharpness 0.25
# 92 %, noise 0.2 70 %, blocking 0.2 to 0.3 40 %, brightness 40 93 % and 195 90 %, roll 30 94 %. Yaw
# as it can be told from landmarks did no harm below 50; of pairs with a pitch of 20 to 25, 9 % are
# missed, of 30 and more 23 %. Below a detection score of 0.8 less than a third are matched, at 0.95
# to 0.98 three quarters.
POLICIES: dict[str, Limits] = {
    "standard": Limits(32, 12, 0.12, 0.5, 0.45, 25, 215, 55, 35, 50, 0.80, 1.0),
    "strict": Limits(48, 18, 0.25, 0.2, 0.2, 40, 195, 45, 22, 30, 0.95, 0.97),
}

# From here on a fault is told. Grain, blocks and want of detail are told before a policy refuses
# them: thresholds rise for them, so such a face does no harm. A cover is told and not refused: of
# faces in full view 7 in 1,000 seem covered, by heavy frames, a microphone or a wide smile.
_FAULTS = replace(
    POLICIES["standard"], min_detail_px=20, max_noise=0.2, max_blocking=0.2, max_covered=0.85
)

REASON_TEXTS = {
    "too_small": "the face is too small: move closer, or use a larger picture",
    "low_resolution": "the face shows little detail: it was enlarged, or is out of focus",
    "blurred": "the face is blurred: hold still, or focus",
    "noisy": "the picture is grainy: more light helps",
    "compressed": "the picture is compressed too much: use a higher JPEG quality",
    "too_dark": "the face is too dark: more light from the front helps",
    "too_bright": "the face is too bright: less light",
    "turned_away": "the face is turned away: look towards the camera",
    "tilted": "the head is tilted far to one side",
    "covered": "the eyes or the mouth are covered, or turned out of view",
    "low_detection_score": "it is not certain that this is a face",
}


def measure(face: Face, crop: NDArray[np.uint8], picture: Image) -> Quality:
    """face: with box, landmarks, score. crop: cut by `TEMPLATE_112`, RGB (112, 112, 3). picture:
    that it was cut from."""
    grey = _grey(crop)
    shown = grey[_FACE]
    yaw, pitch, roll = pose(face.landmarks)
    strength = contrast(shown)
    grain = noise(shown, strength)
    parts = {
        "size_px": face.size_px,
        "detail_px": min(face.size_px, detail_px(shown, strength, grain)),
        "sharpness": sharpness(shown, strength),
        "noise": grain,
        "blocking": blocking(picture, face.box, strength),
        "brightness": float(shown.mean()),
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "detection": float(face.score),
        "covered": covered(grey),
    }
    return Quality(score=_score(**parts), reasons=reasons(_FAULTS, **parts), **parts)


def is_too_dark(grey: NDArray[np.uint8]) -> bool:
    """True if no part of a picture, as a small grey copy (h, w), is light enough to show a face."""
    return bool(np.percentile(grey, 95) < _DARKEST)


def refusals(quality: Quality, policy: Policy) -> tuple[str, ...]:
    """Codes of the reasons why a policy refuses a face; empty if it accepts it."""
    if policy == "off":
        return ()
    return reasons(
        POLICIES[policy],
        size_px=quality.size_px,
        detail_px=quality.detail_px,
        sharpness=quality.sharpness,
        noise=quality.noise,
        blocking=quality.blocking,
        brightness=quality.brightness,
        yaw=quality.yaw,
        pitch=quality.pitch,
        roll=quality.roll,
        detection=quality.detection,
        covered=quality.covered,
    )


def _grey(picture: NDArray[np.uint8]) -> Float32:
    """RGB (h, w, 3) to grey levels (h, w), not rounded: rounding looks like grain."""
    import cv2

    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def sharpness(shown: Float32, strength: float) -> float:
    """Grey face of the crop to about 1 for a press photo, 0.2 for a blurred one.

    Energy of the second difference over two pixels, against the contrast of the face, after
    averaging 2x2 pixels, which takes noise off. Sideways and up and down apart, and the smaller one
    counts: motion blurs in one direction only.

    strength: see `contrast`.
    """
    import cv2

    rows = shown[:-1] + shown[1:]
    fine = (rows[:, :-1] + rows[:, 1:]) / 4
    sideways = fine[:, :-4] - 2 * fine[:, 2:-2] + fine[:, 4:]
    upward = fine[:-4] - 2 * fine[2:-2] + fine[4:]
    energies = (
        cv2.norm(part, cv2.NORM_L2SQR) / part.size / strength**2 for part in (sideways, upward)
    )
    return min(energy / typical for energy, typical in zip(energies, _TYPICAL_ENERGY, strict=True))


def contrast(shown: Float32) -> float:
    """Of a face, in grey levels."""
    import cv2

    _, deviation = cv2.meanStdDev(shown)
    return float(np.sqrt(float(deviation[0, 0]) ** 2 + 25.0))


def noise(shown: Float32, strength: float) -> float:
    """Grey face of the crop to the standard deviation of its grain against its contrast: 0.01 for a
    press photo, 0.3 for strong noise.

    Immerkær, "Fast Noise Variance Estimation", 1996, with the median, which edges do not disturb.
    """
    rows = shown[:-2] - 2 * shown[1:-1] + shown[2:]
    grain = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.median(np.abs(grain))) / (0.6745 * 6) / strength


def detail_px(shown: Float32, strength: float, grain: float) -> float:
    """Grey face of the crop to the number of pixels across the face that would show as much: to as
    many it can be shrunk before a fiftieth of what it shows is lost.

    grain: see `noise`; it shows nothing.
    """
    import cv2

    lost = []
    height, width = shown.shape
    for side in _SIDES:
        share = side / CROP_PX
        size = (round(share * width), round(share * height))
        small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
        back = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        error = cv2.norm(back, shown, cv2.NORM_L2SQR) / shown.size / strength**2
        lost.append(max(error - grain**2 * (1 - share**2), 1e-6))
        if lost[-1] <= _LOST:
            break  # larger sides lose less
    falling = np.minimum.accumulate(lost)
    side = np.exp(np.interp(-np.log(_LOST), -np.log(falling), np.log(_SIDES[: len(lost)])))
    return float(_BOX_SHARE * side)


def blocking(picture: Image, box: Float32, strength: float) -> float:
    """How far grey levels jump at the edges of 8x8 blocks, more than beside them, against the
    contrast of the face: 0.04 for a press photo, 0.4 for JPEG of quality 5.

    In a face so large that the network sees no blocks: 0.
    """
    x1, y1, x2, y2 = np.maximum(box, 0).astype(int)
    part = picture[y1:y2, x1:x2]
    if not _BLOCKS_FROM_PX <= min(part.shape[:2]) <= _BLOCKS_TO_PX:
        return 0.0
    grey = _grey(part)
    return max(0.0, min(_jump(grey, axis) for axis in (0, 1))) / strength


def _jump(grey: Float32, axis: int) -> float:
    """Mean step between rows (0) or columns (1) at the edges of blocks, wherever these lie, over
    the steps beside them and over those elsewhere."""
    import cv2

    before, after = (grey[:-1], grey[1:]) if axis == 0 else (grey[:, :-1], grey[:, 1:])
    steps = cv2.reduce(cv2.absdiff(before, after), 1 - axis, cv2.REDUCE_AVG).ravel()
    jumps = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    phase = np.arange(len(jumps)) % 8
    phases = np.bincount(phase, jumps, 8) / np.bincount(phase, minlength=8)
    best = phases.max()
    return float(best - (phases.sum() - best) / 7)


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
    detail_px: float,
    sharpness: float,
    noise: float,
    blocking: float,
    brightness: float,
    yaw: float,
    pitch: float,
    roll: float,
    detection: float,
    covered: float,
) -> tuple[str, ...]:
    """Codes of the parts outside the limits, worst first."""
    shortfalls = {
        "low_detection_score": limits.min_detection / max(detection, 1e-6),
        "too_small": limits.min_size_px / max(size_px, 1e-6),
        "low_resolution": limits.min_detail_px / max(detail_px, 1e-6),
        "blurred": limits.min_sharpness / max(sharpness, 1e-6),
        "noisy": noise / limits.max_noise,
        "compressed": blocking / limits.max_blocking,
        "too_dark": limits.min_brightness / max(brightness, 1e-6),
        "too_bright": brightness / limits.max_brightness,
        "turned_away": max(abs(yaw) / limits.max_yaw, abs(pitch) / limits.max_pitch),
        "tilted": abs(roll) / limits.max_roll,
        "covered": covered / limits.max_covered,
    }
    wrong = {code: ratio for code, ratio in shortfalls.items() if ratio > 1}
    return tuple(sorted(wrong, key=lambda code: -wrong[code]))


def _score(
    *,
    size_px: float,
    detail_px: float,
    sharpness: float,
    noise: float,
    blocking: float,
    brightness: float,
    yaw: float,
    pitch: float,
    roll: float,
    detection: float,
    covered: float,
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
        + 1.2 * below(detail_px, 26)
        + 1.0 * below(sharpness, 1.6)
        + 1.0 * beyond(noise, 0.03, 0.1)
        + 1.0 * beyond(blocking, 0.08, 0.1)
        + 0.6 * below(brightness, 50)
        + 2.0 * beyond(brightness, 165, 60)
        + 0.2 * beyond(yaw, 40, 30)
        + 1.6 * beyond(pitch, 8, 30)
        + 0.3 * beyond(roll, 20, 30)
        + 0.6 * beyond(covered, 0.3, 0.2)
        + 0.7 * float(np.log(max(1 - detection, 0.005) / 0.005))
    )
    return float(1 / (1 + np.exp(faults - _CERTAINTY)))
