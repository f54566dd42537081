"""TensorFlow's operations that a network may consist of: arithmetic on tensors, and nothing that
reads, writes, calls out, loops, draws random numbers, or makes a large tensor of small ones."""

from __future__ import annotations

from ml_engine.types import ModelRefused

_MOST_TOLD = 8


def names(text: str) -> frozenset[str]:
    """Names that white space divides."""
    return frozenset(text.split())


ALLOWED = names(
    """
    Abs Add AddN AddV2 ArgMax AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND
    BiasAdd Cast Ceil ClipByValue Concat ConcatV2 Conv2D DepthToSpace DepthwiseConv2dNative Div
    DivNoNan Einsum Elu Equal Erf Exp ExpandDims Floor FloorDiv FloorMod FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 Gather GatherV2 Greater GreaterEqual LRN LeakyRelu Less
    LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool MaxPoolV2
    Maximum Mean Min Minimum MirrorPad Mul Neg NotEqual OnesLike Pack Pad PadV2 Pow Prod Rank
    RealDiv Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round
    Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Size Slice Softmax Softplus Softsign
    SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub
    Sum Tanh Transpose Unpack ZerosLike
    """
)

# They give on what they take.
ALIASES = names(
    """
    Identity IdentityN ReadVariableOp StopGradient PreventGradient Snapshot EnsureShape RefIdentity
    CheckNumerics
    """
)
# What may run beside a network without being part of it: updates of variables, checks, and the
# noise of training. Folding leaves it out. Anything else beside a network refuses the file.
HARMLESS = names(
    """
    NoOp ControlTrigger Const Placeholder PlaceholderWithDefault PlaceholderV2 Assert Assign
    AssignAdd AssignSub AssignVariableOp AssignAddVariableOp AssignSubVariableOp
    IsVariableInitialized VarIsInitializedOp RandomUniform RandomStandardNormal TruncatedNormal
    StatelessRandomUniformV2 StatelessRandomGetKeyCounter StatelessRandomNormalV2 Fill Range All Any
    BroadcastGradientArgs DestroyResourceOp StringFormat
    """
)
VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
SWITCHES = frozenset({"Switch", "RefSwitch"})
MERGES = frozenset({"Merge", "RefMerge"})

BESIDE = ALLOWED | ALIASES | VARIABLES | CALLS | BRANCHES | SWITCHES | MERGES | HARMLESS


class OperationRefused(ModelRefused):
    """An operation between input and output that is not on the list."""

    code = "operation_refused"

    def __init__(
        self,
        operation: str,
        node: str,
        why: str = "is not allowed in a network",
        behind: tuple[str, ...] = (),
    ) -> None:
        """behind: what was refused of the operation's own inputs."""
        self.told = (f"Operation {operation} (node {node!r}) {why}", *behind)[:_MOST_TOLD]
        super().__init__("; ".join(self.told) + ".")
