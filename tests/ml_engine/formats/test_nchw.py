"""Graphs in NCHW, turned."""

from __future__ import annotations

from typing import Any

import pytest

from ml_engine.formats.nchw import channels_last
from ml_engine.formats.operations import OperationRefused
from tests.ml_engine.formats import hostile

pytestmark = pytest.mark.tensorflow


def _first(graph: Any) -> Any:
    graph.node[-1].attr["data_format"].s = b"NCHW"
    return graph


def test_explicit_paddings_are_turned_with_their_dimensions() -> None:
    conv = ("conv", "Conv2D", ["input", "kernel"], {"T": hostile.FLOAT})
    graph = _first(hostile.graph(hostile.placeholder(), conv))
    graph.node[-1].attr["explicit_paddings"].list.i[:] = [0, 0, 1, 2, 3, 4, 5, 6]
    turned = next(node for node in channels_last(graph).node if node.op == "Conv2D")
    # batch, channels, height, width -> batch, height, width, channels
    assert list(turned.attr["explicit_paddings"].list.i) == [0, 0, 3, 4, 5, 6, 1, 2]


def test_pooling_whose_window_is_a_tensor_is_refused() -> None:
    pool = ("pool", "MaxPoolV2", ["input", "window", "strides"], {"T": hostile.FLOAT})
    with pytest.raises(OperationRefused, match=r"MaxPoolV2 \(node 'pool'\)"):
        channels_last(_first(hostile.graph(hostile.placeholder(), pool)))
