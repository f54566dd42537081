"""Inception networks, small enough to be trained on a CPU from a few hundred pictures.

Architecture: Szegedy and others, "Going Deeper with Convolutions", 2014 (arXiv:1409.4842), with
batch normalisation after Ioffe, Szegedy, 2015 (arXiv:1502.03167). A block looks at the same input
through windows of 1x1, 3x3 and 5x5 and through a pooling, and puts the results side by side. The
naive block does just that; the other one reduces the channels first, by 1x1 convolutions, which
costs a third. The number of filters is our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ml_engine.networks.design import Design


@dataclass(frozen=True, slots=True)
class Filters:
    """Of each branch of a block, and of the reductions before two of them."""

    one: int
    three_reduced: int
    three: int
    five_reduced: int
    five: int
    pooled: int


# The blocks of each stage; after each stage but the last, the picture is halved.
_STAGES = (
    (Filters(24, 24, 32, 8, 12, 24),),
    (Filters(64, 48, 80, 12, 24, 32), Filters(80, 64, 112, 16, 32, 40)),
    (Filters(128, 96, 192, 24, 64, 64), Filters(160, 128, 256, 24, 64, 64)),
)
_STEM, _SECOND = 24, 48


def build(design: Design) -> Any:
    """Pixels (n, size, size, channels) to (n, dimension); 1.1 million weights for 64x64 grey."""
    return _network(design, reduced_block)


def build_naive(design: Design) -> Any:
    """The same of naive blocks."""
    return _network(design, naive_block)


def _network(design: Design, block: Callable[[Design, Any, Filters], Any]) -> Any:
    import keras
    from keras import layers

    inputs, x = design.pixels()  # (n, 64, 64, 1)
    x = design.pool(design.stem(x, _STEM), 3)  # (n, 16, 16, 24)
    x = design.conv(x, _SECOND, 3)
    for number, stage in enumerate(_STAGES):
        if number:
            x = design.pool(x, 3)
        for filters in stage:
            x = block(design, x, filters)  # at last (n, 4, 4, 544)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, design.vector(x), name=design.network)


def reduced_block(design: Design, x: Any, filters: Filters) -> Any:
    from keras import layers

    branches = [
        design.conv(x, filters.one),
        design.conv(design.conv(x, filters.three_reduced), filters.three, 3),
        design.conv(design.conv(x, filters.five_reduced), filters.five, 5),
        design.conv(_pooled(x), filters.pooled),
    ]
    return layers.Concatenate()(branches)


def naive_block(design: Design, x: Any, filters: Filters) -> Any:
    """The pooled branch keeps all channels of the input, so each block gives more than it took."""
    from keras import layers

    branches = [
        design.conv(x, filters.one),
        design.conv(x, filters.three, 3),
        design.conv(x, filters.five, 5),
        _pooled(x),
    ]
    return layers.Concatenate()(branches)


def _pooled(x: Any) -> Any:
    """The mean of 3x3 places: on a CPU the gradient of a maximum would take a fifth of a step."""
    from keras import layers

    return layers.AveragePooling2D(3, 1, padding="same")(x)
