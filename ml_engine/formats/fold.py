"""Folding: the network between one input and one output of a graph, as plain arithmetic.

Phases of training are set to False, switches cut, branches and functions inlined, and variables
taken from the checkpoint. Nothing runs meanwhile, and what is not reached from the output is not
looked at: the queues, savers and summaries that files hold beside their network. Every operation
that stays is on the list of allowed ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml_engine.formats import operations
from ml_engine.formats.bounds import MAX_NODES, check_tensor
from ml_engine.formats.graph import (
    GraphSource,
    called_functions,
    constant_of,
    control_inputs,
    data_inputs,
    output_count,
    output_index,
    tensor_place,
)
from ml_engine.formats.known import Known
from ml_engine.formats.operations import OperationRefused
from ml_engine.formats.sizes import TENSORFLOW, Step, check_sizes
from ml_engine.types import ModelRefused

INPUT, OUTPUT = "input", "output"
_FLOAT, _BOOL = 1, 10  # DT_FLOAT, DT_BOOL
_MAX_DEPTH = 50
# The value of a tensor behind the branch that is not taken.
_DEAD = ""


@dataclass(slots=True, eq=False)
class _Scope:
    """The graph, or one call of a function. arguments: of the function, each with the scope and the
    tensor that it stands for."""

    nodes: Mapping[str, Any]
    prefix: str = ""
    depth: int = 0
    arguments: dict[str, tuple[_Scope, str]] = field(default_factory=dict)
    calls: dict[str, tuple[_Scope, list[str]]] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)
    done: dict[tuple[str, int], _Value] = field(default_factory=dict)
    is_open: set[tuple[str, int]] = field(default_factory=set)

    @property
    def is_function(self) -> bool:
        return self.depth > 0


# The name of a new tensor, or why there is none. A refusal is a value, because it counts only if
# the output needs it: a branch that is not taken may hold anything.
_Value = str | ModelRefused
# A step asks for the value of a tensor of a scope and is sent it. So the depth of a graph takes no
# stack of Python's.
_Step = Generator[tuple[_Scope, str], _Value, _Value]


@dataclass(frozen=True, slots=True)
class Folded:
    """graph: a GraphDef from the placeholder `input` to `output`. counts: of its operations."""

    graph: Any
    counts: dict[str, int]


def fold(
    source: GraphSource,
    input_tensor: str,
    output_tensor: str,
    *,
    shape: tuple[int | None, ...],
    values: Mapping[str, float] | None = None,
) -> Folded:
    """The network from `input_tensor` to `output_tensor`.

    Args:
        shape: of the input; None is free.
        values: of other placeholders, by tensor.

    Raises:
        ModelRefused: a tensor or a value is missing, or something is too large.
        OperationRefused: an operation is not allowed.
    """
    return _Fold(source, input_tensor, shape, values or {}).run(output_tensor)


class _Fold:
    def __init__(
        self,
        source: GraphSource,
        input_tensor: str,
        shape: tuple[int | None, ...],
        values: Mapping[str, float],
    ) -> None:
        from tensorflow.core.framework import graph_pb2

        self._source = source
        self._top = _Scope(source.nodes)
        self._functions = {each.signature.name: each for each in source.graph.library.function}
        self._new = graph_pb2.GraphDef()
        self._new.versions.CopyFrom(source.graph.versions)
        self._names: set[str] = {INPUT, OUTPUT}
        self._known = Known()
        self._harmless: set[str] = set()  # functions that were checked
        self._steps = 0
        self._values = {tensor_place(tensor): value for tensor, value in values.items()}
        self._add_input(tensor_place(input_tensor), shape)

    def run(self, output_tensor: str) -> Folded:
        for name in self._source.main_nodes:
            self._check_beside(self._top, name)
        found = self._driven(self._top, output_tensor)
        if isinstance(found, ModelRefused):
            raise found
        if found == _DEAD:
            raise ModelRefused(f"{output_tensor} is computed in training only.")
        self._known.check(found)
        node = self._new.node.add(name=OUTPUT, op="Identity", input=[found])
        node.attr["T"].type = _FLOAT
        counts: dict[str, int] = {}
        for each in self._new.node:
            counts[each.op] = counts.get(each.op, 0) + 1
        if not any(name == f"{INPUT}:0" for node in self._new.node for name in node.input):
            raise ModelRefused(f"{output_tensor} does not depend on the input.")
        check_sizes(self._new_steps(), (), TENSORFLOW)
        return Folded(self._new, counts)

    def _new_steps(self) -> Iterator[Step]:
        """What was made, by the names of nodes; each comes after what it takes."""
        for node in self._new.node:
            if node.name != INPUT:
                taken = [name.partition(":")[0] for name in node.input]
                yield Step(node.op, node.name, taken, [node.name])

    def _add_input(self, place: tuple[str, int], shape: tuple[int | None, ...]) -> None:
        node = self._new.node.add(name=INPUT, op="Placeholder")
        node.attr["dtype"].type = _FLOAT
        for side in shape:
            node.attr["shape"].shape.dim.add(size=-1 if side is None else side)
        self._top.done[place] = f"{INPUT}:0"

    def _driven(self, scope: _Scope, tensor: str) -> _Value:
        stack: list[_Step] = [self._tensor(scope, tensor)]
        sent: _Value | None = None
        while stack:
            try:
                asked = stack[-1].send(sent)  # type: ignore[arg-type]  # None starts it
            except StopIteration as done:
                stack.pop()
                sent = done.value
            else:
                stack.append(self._tensor(*asked))
                sent = None
        assert sent is not None
        return sent

    def _tensor(self, scope: _Scope, tensor: str) -> _Step:
        argument = tensor.removesuffix(":0")
        if argument in scope.arguments:
            return (yield scope.arguments[argument])
        node, output = self._place(scope, tensor)
        key = (node.name, output)
        if key not in scope.done:
            self._steps += 1
            if self._steps > MAX_NODES:
                raise ModelRefused(f"The network has more than {MAX_NODES:,} operations.")
            if key in scope.is_open:
                raise OperationRefused(node.op, node.name, "is part of a loop")
            scope.is_open.add(key)
            try:
                value = yield from self._value(scope, node, output)
                if isinstance(value, str) and value != _DEAD:
                    for name in control_inputs(node):
                        self._check_beside(scope, name)
                scope.done[key] = value
            except ModelRefused as refused:
                scope.done[key] = refused
            scope.is_open.discard(key)
        return scope.done[key]

    def _place(self, scope: _Scope, tensor: str) -> tuple[Any, int]:
        """The node of a tensor and its output. In a function, outputs have names."""
        name, _, rest = tensor.partition(":")
        node = scope.nodes.get(name)
        if node is None:
            raise ModelRefused(f"There is no tensor {tensor!r} in this graph.")
        if not scope.is_function or not rest or rest.isdigit():
            return node, int(rest or 0)
        output, _, number = rest.partition(":")
        return node, output_index(self._signature(node), node, output, int(number or 0))

    def _signature(self, node: Any) -> Any:
        from tensorflow.python.framework import op_def_registry

        if node.op in self._functions:
            return self._functions[node.op].signature
        found = op_def_registry.get(node.op)
        if found is None:
            raise OperationRefused(node.op, node.name)
        return found

    def _check_beside(self, scope: _Scope, name: str) -> None:
        """Check a node that runs beside the network, and everything before it."""
        waiting = [name]
        while waiting:
            name = waiting.pop().lstrip("^").partition(":")[0]
            node = scope.nodes.get(name)
            is_inside = isinstance(scope.done.get((name, 0)), str)
            if node is None or name in scope.beside or is_inside:
                continue
            scope.beside.add(name)
            self._check_harmless(node)
            waiting += node.input

    def _check_harmless(self, node: Any) -> None:
        if node.op not in operations.BESIDE and node.op not in self._functions:
            raise OperationRefused(node.op, node.name, "runs beside the network: not allowed")
        for name in (node.op, *called_functions(node)):
            if name in self._functions and name not in self._harmless:
                self._harmless.add(name)
                for inner in self._functions[name].node_def:
                    self._check_harmless(inner)

    def _value(self, scope: _Scope, node: Any, output: int) -> _Step:
        if not scope.is_function and (node.name, output) in self._values:
            return self._told(node, self._values[node.name, output])
        if node.op in operations.ALIASES:
            return (yield scope, data_inputs(node)[output])
        if node.op in operations.SWITCHES:
            return (yield from self._switched(scope, node, output))
        if node.op in operations.MERGES:
            return (yield from self._merged(scope, node, output))
        if node.op in operations.BRANCHES:
            return (yield from self._branched(scope, node, output))
        if node.op in operations.CALLS or node.op in self._functions:
            name = node.attr["f"].func.name if node.op in operations.CALLS else node.op
            return (yield self._called(scope, node, name, data_inputs(node), output))
        if node.op.startswith("Placeholder"):
            return (yield from self._placeholder(scope, node))
        if node.op == "Const":
            return self._constant(scope, node)
        if node.op in operations.VARIABLES:
            return self._variable(scope, node)
        return (yield from self._copied(scope, node, output))

    def _switched(self, scope: _Scope, node: Any, output: int) -> _Step:
        data, condition = data_inputs(node)
        taken = self._decided(node, (yield scope, condition))
        return (yield scope, data) if output == int(taken) else _DEAD

    def _merged(self, scope: _Scope, node: Any, output: int) -> _Step:
        for number, tensor in enumerate(data_inputs(node)):
            value = yield scope, tensor
            if value != _DEAD:
                return self._add_constant(scope, node.name, np.int32(number)) if output else value
        return _DEAD

    def _branched(self, scope: _Scope, node: Any, output: int) -> _Step:
        condition, *arguments = data_inputs(node)
        value = yield scope, condition
        if value == _DEAD:
            return _DEAD
        taken = self._decided(node, value)
        if "branches" in node.attr:
            branches = [each.name for each in node.attr["branches"].list.func]
            name = branches[taken if 0 <= taken < len(branches) else -1]
        else:
            name = node.attr["then_branch" if taken else "else_branch"].func.name
        return (yield self._called(scope, node, name, arguments, output))

    def _decided(self, node: Any, condition: _Value) -> int:
        if isinstance(condition, ModelRefused):
            raise condition
        decision = self._known.decision(condition)
        if decision is None:
            raise OperationRefused(node.op, node.name, "branches by what the picture shows")
        return decision

    def _called(
        self, scope: _Scope, node: Any, name: str, arguments: list[str], output: int
    ) -> tuple[_Scope, str]:
        """What stands inside of a function for one output of its call."""
        if node.name not in scope.calls:
            function = self._functions.get(name)
            if function is None:
                raise OperationRefused(node.op, node.name, f"calls {name!r}, which is not there")
            if scope.depth >= _MAX_DEPTH:
                raise OperationRefused(node.op, node.name, f"calls {name!r} again and again")
            names = [each.name for each in function.signature.input_arg]
            inner = _Scope(
                {each.name: each for each in function.node_def},
                f"{scope.prefix}{node.name}/",
                scope.depth + 1,
                {each: (scope, given) for each, given in zip(names, arguments, strict=True)},
            )
            outputs = [function.ret[each.name] for each in function.signature.output_arg]
            scope.calls[node.name] = (inner, outputs)
            for each in function.control_ret.values():
                self._check_beside(inner, each)
        inner, outputs = scope.calls[node.name]
        return inner, outputs[output]

    def _placeholder(self, scope: _Scope, node: Any) -> _Step:
        if node.attr["dtype"].type == _BOOL:
            return self._add_constant(scope, node.name, np.zeros((), np.bool_))
        if node.op == "PlaceholderWithDefault":
            return (yield scope, data_inputs(node)[0])
        raise ModelRefused(
            f"The output also needs a value for the placeholder {node.name}:0. Give the value, or "
            f"another input."
        )

    def _told(self, node: Any, value: float) -> str:
        from tensorflow.python.framework import dtypes

        kind = node.attr["dtype"].type or node.attr["T"].type or _FLOAT
        array = np.asarray(value, dtypes.as_dtype(kind).as_numpy_dtype)
        return self._add_constant(self._top, node.name, array)

    def _constant(self, scope: _Scope, node: Any) -> str:
        value = constant_of(node.attr["value"].tensor, f"Const (node {node.name!r})")
        return self._add_constant(scope, node.name, value)

    def _variable(self, scope: _Scope, node: Any) -> str:
        if scope.is_function:
            raise OperationRefused(node.op, node.name, "is a variable inside of a function")
        return self._add_constant(scope, node.name, self._source.read_variable(node.name))

    def _copied(self, scope: _Scope, node: Any, output: int) -> _Step:
        """An operation that stays. All of its outputs are done at once."""
        inputs = []
        for tensor in data_inputs(node):
            value = yield scope, tensor
            if value == _DEAD:
                return _DEAD
            inputs.append(value)
        made = [value for value in inputs if isinstance(value, str)]
        if len(made) == len(inputs) and (passed := self._known.without_noise(node, made)):
            return passed
        self._check_allowed(node, inputs)
        if (computed := self._known.computed(node.op, made)) is not None:
            return self._add_constant(scope, node.name, computed)
        copy = self._new.node.add(name=self._new_name(scope, node.name), op=node.op, input=inputs)
        for name, value in node.attr.items():
            if not name.startswith("_"):
                copy.attr[name].CopyFrom(value)
        self._known.add(node, made, f"{copy.name}:0")
        for number in range(max(output + 1, output_count(self._signature(node), node))):
            scope.done[node.name, number] = f"{copy.name}:{number}"
        return f"{copy.name}:{output}"

    def _check_allowed(self, node: Any, inputs: list[_Value]) -> None:
        refused = [value for value in inputs if isinstance(value, ModelRefused)]
        if node.op not in operations.ALLOWED:
            behind = (told for each in refused for told in getattr(each, "told", ()))
            raise OperationRefused(node.op, node.name, behind=tuple(dict.fromkeys(behind)))
        if refused:
            raise refused[0]
        if node.op.startswith("FusedBatchNorm") and node.attr["is_training"].b:
            raise OperationRefused(node.op, node.name, "is set to training")

    def _add_constant(self, scope: _Scope, name: str, value: Any) -> str:
        from tensorflow.python.framework import dtypes, tensor_util

        array = np.asarray(value)
        check_tensor(name, array.shape, array.itemsize)
        new = self._new_name(scope, name)
        node = self._new.node.add(name=new, op="Const")
        node.attr["dtype"].type = dtypes.as_dtype(array.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(array))
        self._known.add_constant(f"{new}:0", array)
        return f"{new}:0"

    def _new_name(self, scope: _Scope, name: str) -> str:
        wanted = scope.prefix + name
        new = next(
            each
            for number in itertools.count()
            if (each := f"{wanted}_{number}" if number else wanted) not in self._names
        )
        self._names.add(new)
        return new
