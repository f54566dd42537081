"""Pixels of aligned faces to the values that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

PerChannel = float | tuple[float, float, float]
# Luma of ITU-R BT.601.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """(pixel - mean) / scale for pixels 0..255, one number or one for each channel.

    channels: the order that the network takes; "grey" is one channel.
    is_whitened: subtract each picture's own mean and divide by its standard deviation instead, as
        FaceNet's models of 2017 want it.
    """

    mean: PerChannel = 127.5
    scale: PerChannel = 128.0
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    is_whitened: bool = False

    def __post_init__(self) -> None:
        if self.channels not in ("rgb", "bgr", "grey"):
            raise ValueError(f"channels is rgb, bgr or grey, and not {self.channels!r}.")
        if not np.all(np.isfinite(np.asarray([*_three(self.mean), *_three(self.scale)]))):
            raise ValueError("mean and scale are finite numbers.")
        if 0 in _three(self.scale):
            raise ValueError("scale is not 0.")
        if self.channels == "grey" and len(_three(self.mean)) + len(_three(self.scale)) > 2:
            raise ValueError("mean and scale of grey are one number each.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """ValueError or TypeError for what is no preprocessing."""
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**told)

    @property
    def channel_count(self) -> int:
        return 1 if self.channels == "grey" else 3

    def apply(self, faces: NDArray[np.uint8] | Float32) -> Float32:
        """RGB faces (n, h, w, 3) to values (n, h, w, 1 or 3)."""
        values = np.asarray(faces, np.float32)
        if self.channels == "bgr":
            values = values[..., ::-1]
        elif self.channels == "grey":
            values = (values @ _GREY)[..., None]
        if self.is_whitened:
            return _whitened(values)
        mean, scale = np.asarray(self.mean, np.float32), np.asarray(self.scale, np.float32)
        return np.ascontiguousarray((values - mean) / scale, np.float32)


def per_channel(text: str) -> float | tuple[float, ...]:
    """A mean or scale as people write it: one number, or several with commas. ValueError for what
    is no number; `Preprocessing` checks their count."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is no number, and not three with commas.") from error
    return numbers[0] if len(numbers) == 1 else numbers


def _whitened(values: Float32) -> Float32:
    axes = (1, 2, 3)
    mean = values.mean(axes, keepdims=True)
    least = 1 / np.sqrt(np.prod(values.shape[1:]))
    deviation = np.maximum(values.std(axes, keepdims=True), least)
    return np.ascontiguousarray((values - mean) / deviation, np.float32)


def _three(value: PerChannel) -> tuple[float, ...]:
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) not in (1, 3) or not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in numbers
    ):
        raise ValueError("mean and scale are a number, or one for each channel.")
    return numbers
