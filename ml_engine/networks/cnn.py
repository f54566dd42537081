"""The plain network: convolutions one after another, each followed by a pooling.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
"""

from __future__ import annotations

from typing import Any

from ml_engine.networks.design import Design

_STEM, _FILTERS = 32, (64, 128, 256)


def build(design: Design) -> Any:
    """Pixels (n, size, size, channels) to (n, dimension)."""
    import keras
    from keras import layers

    inputs, x = design.pixels()  # (n, 64, 64, 1)
    x = design.pool(design.stem(x, _STEM))  # (n, 16, 16, 32)
    for filters in _FILTERS:
        x = design.pool(design.conv(x, filters, 3))  # at last (n, 2, 2, 256)
    return keras.Model(inputs, design.vector(layers.Flatten()(x)), name=design.network)
