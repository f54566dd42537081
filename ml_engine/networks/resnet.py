"""A ResNet of basic blocks, small enough to be trained on a CPU.

Architecture: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015
(arXiv:1512.03385), the network of 18 layers at half its width, with the flattened last layer of
ArcFace (arXiv:1801.07698): the mean over all places would forget where something was seen.
"""

from __future__ import annotations

from typing import Any

from ml_engine.networks.design import Design

# Filters, blocks; every stage after the first halves the picture.
_STAGES = ((32, 2), (64, 2), (128, 2), (256, 2))
_LAST = 64


def build(design: Design) -> Any:
    """Pixels (n, size, size, channels) to (n, dimension)."""
    import keras
    from keras import layers

    inputs, x = design.pixels()  # (n, 64, 64, 1)
    x = design.stem(x, _STAGES[0][0])  # (n, 32, 32, 32)
    for stage, (filters, blocks) in enumerate(_STAGES):
        for number in range(blocks):
            x = _block(design, x, filters, stride=2 if stage and not number else 1)
    x = layers.Flatten()(design.conv(x, _LAST))  # (n, 4, 4, 64)
    return keras.Model(inputs, design.vector(x), name=design.network)


def _block(design: Design, x: Any, filters: int, *, stride: int) -> Any:
    from keras import layers

    y = design.conv(x, filters, 3, stride)
    y = design.conv(y, filters, 3, is_active=False)
    if stride != 1 or x.shape[-1] != y.shape[-1]:
        x = design.conv(x, filters, 1, stride, is_active=False)
    return design.active(layers.Add()([x, y]))
