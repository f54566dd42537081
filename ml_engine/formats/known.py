"""What is known of the tensors of a graph while it is folded: constants, and dropout that is off.

Dropout of TensorFlow 1 draws random numbers in every run, also if it keeps everything (`keep_prob`
1.0). It rounds or compares them, and the result is 1 for each of them: then the random numbers
cannot reach the output. This is proved by their bounds, and by the shape: what is multiplied by the
ones must have the shape that the numbers were drawn in. Otherwise RandomUniform is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.formats.operations import OperationRefused, names

_FLOAT = 1  # DT_FLOAT
# TensorFlow draws from [0, 1) in steps of 2 ** -23.
_LOWEST, _HIGHEST = np.float32(0), np.float32(1 - 2**-23)
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
}
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Mul": np.multiply,
    "Sub": np.subtract,
}
# Of scalars: computed at once, because they decide branches and bounds.
_COMPUTED: dict[str, Callable[..., Any]] = {
    "LogicalNot": np.logical_not,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    **_COMPARISONS,
}
# They give a tensor of the shape that they take, if all else that they take is a scalar.
_ELEMENTWISE = names(
    "Abs Add AddV2 Cast Div Elu LeakyRelu Maximum Minimum Mul Neg RealDiv Relu Relu6 Selu Sigmoid "
    "Softplus Sqrt Square Sub Tanh"
)


@dataclass(frozen=True, slots=True)
class _Noise:
    """Random numbers between two bounds, or truths as 0 and 1. node: that drew them. like: has
    their shape."""

    node: str
    like: str
    low: Any = _LOWEST
    high: Any = _HIGHEST

    @property
    def is_known(self) -> bool:
        return bool(self.low == self.high)

    def between(self, one: Any, other: Any) -> _Noise:
        return replace(self, low=min(one, other), high=max(one, other))


class Known:
    """By names of new tensors; random numbers have names of their own, which no new node takes."""

    def __init__(self) -> None:
        self._values: dict[str, NDArray[Any]] = {}
        self._noise: dict[str, _Noise] = {}
        self._shape_of: dict[str, str] = {}
        self._same_shape: dict[str, str] = {}

    def add_constant(self, tensor: str, value: NDArray[Any]) -> None:
        if value.size == 1:
            self._values[tensor] = value

    def decision(self, tensor: str) -> int | None:
        value = self._values.get(tensor)
        return None if value is None else int(value.reshape(()))

    def computed(self, operation: str, inputs: Sequence[str]) -> NDArray[Any] | None:
        """What a comparison of constants gives; None if it is none."""
        if operation not in _COMPUTED or not all(tensor in self._values for tensor in inputs):
            return None
        return np.asarray(_COMPUTED[operation](*(self._values[tensor] for tensor in inputs)))

    def add(self, node: Any, inputs: Sequence[str], made: str) -> None:
        """Note a new operation."""
        if node.op == "Shape":
            self._shape_of[made] = self._root(inputs[0])
        elif node.op in _ELEMENTWISE:
            others = [tensor for tensor in inputs if self._scalar(tensor) is None]
            if len(others) == 1:
                self._same_shape[made] = self._root(others[0])
        self._note_scalar(node, inputs, made)

    def without_noise(self, node: Any, inputs: Sequence[str]) -> str | None:
        """The tensor that an operation gives if random numbers are among its inputs, or are what it
        draws; None if it has to do with none.

        OperationRefused if they may reach the output.
        """
        if node.op == "RandomUniform":
            like = self._shape_of.get(inputs[0])
            is_plain = like is not None and node.attr["dtype"].type == _FLOAT
            return self._named(_Noise(node.name, str(like))) if is_plain else None
        noises = [self._noise[tensor] for tensor in inputs if tensor in self._noise]
        if not noises:
            return None
        found = self._passed(node, inputs) or self._bounded(node, inputs, noises[0])
        if found is None:
            raise self._refusal(noises[0])
        return found

    def check(self, tensor: str) -> None:
        """OperationRefused if this is made of random numbers."""
        if tensor in self._noise:
            raise self._refusal(self._noise[tensor])

    def _refusal(self, noise: _Noise) -> OperationRefused:
        return OperationRefused("RandomUniform", noise.node, "may change what the network gives")

    def _named(self, noise: _Noise) -> str:
        name = f"?{len(self._noise)}"  # "?" is in no name of a node
        self._noise[name] = noise
        return name

    def _bounded(self, node: Any, inputs: Sequence[str], noise: _Noise) -> str | None:
        """Other random numbers: shifted, scaled, rounded down or compared."""
        if node.op == "Floor":
            return self._named(noise.between(np.floor(noise.low), np.floor(noise.high)))
        if node.op == "Cast" and node.attr["DstT"].type == _FLOAT:
            return self._named(noise)
        compute = (_ARITHMETIC | _COMPARISONS).get(node.op)
        others = [self._scalar(tensor) for tensor in inputs if tensor not in self._noise]
        if compute is None or len(inputs) != 2 or len(others) != 1 or others[0] is None:
            return None
        is_first = inputs[0] in self._noise
        ends = [
            np.float32(compute(*((end, others[0]) if is_first else (others[0], end))))
            for end in (noise.low, noise.high)
        ]
        return self._named(noise.between(*ends))

    def _passed(self, node: Any, inputs: Sequence[str]) -> str | None:
        """What is multiplied by ones, or chosen by a mask that is the same everywhere."""
        mask, *rest = sorted(inputs, key=lambda tensor: tensor not in self._noise)
        noise = self._noise[mask]
        if not noise.is_known or any(tensor in self._noise for tensor in rest):
            return None
        if node.op == "Mul" and noise.low == 1 and self._root(rest[0]) == noise.like:
            return rest[0]
        if node.op in ("Select", "SelectV2") and inputs[0] == mask:
            chosen, other = rest if noise.low else rest[::-1]
            is_scalar = node.op == "SelectV2" and self._scalar(other) is not None
            is_same = is_scalar or self._root(other) == noise.like
            return chosen if is_same and self._root(chosen) == noise.like else None
        return None

    def _note_scalar(self, node: Any, inputs: Sequence[str], made: str) -> None:
        """Arithmetic of scalars stays in the graph, and its result is known: 1 - keep_prob."""
        compute = (_ARITHMETIC | {"RealDiv": np.divide}).get(node.op)
        scalars = [self._scalar(tensor) for tensor in inputs]
        if compute is not None and all(scalar is not None for scalar in scalars):
            with np.errstate(all="ignore"):
                self._values[made] = np.asarray(compute(*scalars))

    def _scalar(self, tensor: str) -> NDArray[Any] | None:
        value = self._values.get(tensor)
        return value if value is not None and value.ndim == 0 else None

    def _root(self, tensor: str) -> str:
        """A tensor of the same shape, the same for all that were made of it by its elements."""
        return self._same_shape.get(tensor, tensor)
