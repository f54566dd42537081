"""Where a network begins and ends in a graph, and what its input looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ml_engine.formats import operations
from ml_engine.formats.graph import GraphSource, data_inputs, static_shape, tensor_place
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from ml_engine.zoo.own import MAX_TENSOR_NAME, Layout

# FaceNet's: its `input` is behind a queue, and its published graphs do not tell the size.
_USUAL_INPUTS = ("input", "image_batch")
_USUAL_OUTPUT = "embeddings"
_FACENET = {"input", "phase_train", "embeddings"}
_FACENET_SIZE = 160
_FLOAT = 1
_LONGEST_LIST = 12


@dataclass(frozen=True, slots=True)
class Ends:
    """input, output: tensors. size: in pixels. layout, channels: of the input."""

    input: str
    output: str
    size: int
    layout: Layout
    channels: int

    @property
    def shape(self) -> tuple[int | None, ...]:
        if self.layout == "nchw":
            return None, self.channels, self.size, self.size
        return None, self.size, self.size, self.channels


def find_ends(source: GraphSource, wish: Wish) -> Ends:
    """What the wish tells, and otherwise what the graph tells. ModelRefused if neither does."""
    begin = _named(wish.input) or _input(source)
    if tensor_place(begin)[0] not in source.nodes:
        raise ModelRefused(f"There is no tensor {begin} in this graph.")
    end = _named(wish.output) or _output(source)
    return with_shape(begin, end, _shape(source, begin), wish, size=_usual_size(source))


def with_shape(begin: str, end: str, shape: list[int] | None, wish: Wish, *, size: int = 0) -> Ends:
    """shape: of the input as its file tells it; -1 is free. size: if nothing tells it."""
    if max(len(begin), len(end)) > MAX_TENSOR_NAME:
        raise ModelRefused(f"A name of input or output has more than {MAX_TENSOR_NAME} characters.")
    told = shape if shape and len(shape) == 4 else [-1, -1, -1, -1]
    if shape and len(shape) != 4:
        raise ModelRefused(
            f"The input {begin} has {len(shape)} dimensions; a batch of faces has 4."
        )
    layout = wish.layout or ("nchw" if told[1] in (1, 3) and told[3] not in (1, 3) else "nhwc")
    channel, side, other = (1, 2, 3) if layout == "nchw" else (3, 1, 2)
    if told[side] != told[other]:
        raise ModelRefused(f"The input {begin} is {told[side]} x {told[other]}; faces are square.")
    found = told[side] if told[side] > 0 else 0
    if wish.size and found and wish.size != found:
        raise ModelRefused(f"The input {begin} has a side of {found} pixels, not {wish.size}.")
    chosen = wish.size or found or size
    if not 16 <= chosen <= 1024:
        raise ModelRefused(
            f"The side of the input {begin} is not told: say it (16 to 1024 pixels)."
            if not chosen
            else f"The input {begin} has a side of {chosen} pixels; 16 to 1024 are possible."
        )
    channels = told[channel] if told[channel] > 0 else wish.preprocessing.channel_count
    if channels not in (1, 3):
        raise ModelRefused(f"The input {begin} has {channels} channels; pictures have 1 or 3.")
    return Ends(begin, end, chosen, layout, channels)


def _named(tensor: str) -> str:
    if not tensor:
        return ""
    name, output = tensor_place(tensor)
    return f"{name}:{output}"


def _input(source: GraphSource) -> str:
    nodes = source.nodes
    for name in _USUAL_INPUTS:
        if name in nodes:
            return f"{name}:0"
    told = [name for name in source.inputs if _is_picture(nodes.get(name.partition(":")[0]))]
    found = told or [f"{name}:0" for name, node in nodes.items() if _is_picture(node)]
    return _only(found, "input", "a placeholder of pictures")


def _is_picture(node: Any) -> bool:
    if node is None or not node.op.startswith("Placeholder") or node.attr["dtype"].type != _FLOAT:
        return False
    shape = static_shape(node, 0)
    return shape is None or len(shape) == 4


def _output(source: GraphSource) -> str:
    if _USUAL_OUTPUT in source.nodes:
        return f"{_USUAL_OUTPUT}:0"
    if source.outputs:
        return _only(source.outputs, "output", "an output of the signature")
    return _only([f"{name}:0" for name in last_nodes(source)], "output", "a tensor at the end")


def last_nodes(source: GraphSource) -> list[str]:
    """Nodes that could end a network: no other node takes what they give."""
    used = {name.partition(":")[0] for node in source.graph.node for name in data_inputs(node)}
    possible = operations.ALLOWED | operations.ALIASES | operations.CALLS
    return [
        node.name
        for node in source.graph.node
        if node.name not in used and node.op in possible and node.op != "ReadVariableOp"
    ]


def _only(found: Iterable[str], what: str, kind: str) -> str:
    names = list(dict.fromkeys(found))
    if len(names) == 1:
        return names[0]
    if not names:
        raise ModelRefused(f"No {what} was found ({kind}). Name a tensor as the {what}.")
    told = ", ".join(names[:_LONGEST_LIST]) + (", …" if len(names) > _LONGEST_LIST else "")
    raise ModelRefused(f"Name one tensor as the {what}; there are {told}.")


def _shape(source: GraphSource, tensor: str) -> list[int] | None:
    """Told by the tensor itself, or by what it passes on: a placeholder or a queue."""
    nodes = source.nodes
    name, output = tensor_place(tensor)
    for _ in range(len(nodes)):
        node = nodes.get(name)
        if node is None:
            return None
        shape = static_shape(node, output)
        if shape is not None:
            return shape
        before = data_inputs(node)
        if "Dequeue" in node.op:
            return _queued(nodes.get(before[0].partition(":")[0]), output)
        if node.op not in operations.ALIASES or not before:
            return None
        name, output = tensor_place(before[output if node.op == "IdentityN" else 0])
    return None


def _queued(queue: Any, output: int) -> list[int] | None:
    """The shape of a batch from a queue."""
    shapes = queue.attr["shapes"].list.shape if queue is not None else []
    if output >= len(shapes) or shapes[output].unknown_rank:
        return None
    return [-1, *(dim.size for dim in shapes[output].dim)]


def _usual_size(source: GraphSource) -> int:
    return _FACENET_SIZE if source.nodes.keys() >= _FACENET else 0
