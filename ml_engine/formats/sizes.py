"""Sizes never depend on what a picture shows.

A probe with made-up faces would not notice a network that asks for gigabytes of padding as soon as
it sees one certain picture. So sizes, places and axes are constants, or computed from constants and
shapes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_engine.formats.operations import OperationRefused, names


@dataclass(frozen=True, slots=True)
class Step:
    """An operation with its tensors, by whatever its format calls them."""

    operation: str
    name: str
    inputs: Sequence[Hashable]
    outputs: Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class SizedBy:
    """Of a format. places: by operation, its inputs that are sizes, places or axes. shapes:
    operations that give shapes, or what depends on nothing else."""

    places: Mapping[str, tuple[int, ...]]
    shapes: frozenset[str]


def _places(text: str, *places: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names(text), places)


TENSORFLOW = SizedBy(
    _places(
        """
        ArgMax ExpandDims Gather Max Mean Min MirrorPad Pad PadV2 Prod Reshape ResizeBilinear
        ResizeNearestNeighbor ReverseV2 Sum Transpose
        """,
        1,
    )
    | _places("BatchToSpaceND GatherV2 MaxPoolV2 Slice SpaceToBatchND SplitV", 1, 2)
    | _places("StridedSlice", 1, 2, 3)
    | _places("Concat Split", 0)
    | _places("ConcatV2", -1),
    names("OnesLike Rank Shape Size ZerosLike"),
)
TFLITE = SizedBy(
    _places(
        """
        ARG_MAX EXPAND_DIMS GATHER MEAN MIRROR_PAD PAD PADV2 REDUCE_MAX REDUCE_MIN REDUCE_PROD
        RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SUM TRANSPOSE
        """,
        1,
    )
    | _places("BATCH_TO_SPACE_ND SLICE SPACE_TO_BATCH_ND SPLIT_V", 1, 2)
    | _places("STRIDED_SLICE", 1, 2, 3)
    | _places("SPLIT TRANSPOSE_CONV", 0),
    names("RANK SHAPE ZEROS_LIKE"),
)
ONNX = SizedBy(
    _places(
        """
        Gather ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Reshape
        Split Squeeze Unsqueeze Upsample
        """,
        1,
    )
    | _places("Dropout", 1, 2)
    | _places("Pad", 1, 3)
    | _places("Resize", 1, 2, 3)
    | _places("Slice", 1, 2, 3, 4),
    names("Shape"),
)


def check_sizes(steps: Iterable[Step], constants: Iterable[Hashable], sized_by: SizedBy) -> None:
    """Steps come in the order in which they run. OperationRefused if one takes its sizes from the
    picture."""
    known = set(constants)
    for step in steps:
        if step.operation in sized_by.shapes or known.issuperset(step.inputs):
            known.update(step.outputs)
            continue
        for place in sized_by.places.get(step.operation, ()):
            if place < len(step.inputs) and step.inputs[place] not in known:
                why = "takes a size or a place from what the picture shows"
                raise OperationRefused(step.operation, step.name, why)
