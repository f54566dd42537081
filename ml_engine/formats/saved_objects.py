"""Variables of a TF2 SavedModel: which key of its checkpoint belongs to which node of its graph.

The graph names the variables that its functions take by place only (`bound_inputs`); the objects
of the model and of the checkpoint are two trees with the same names along their branches.
"""

from __future__ import annotations

from typing import Any

_OBJECTS_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


def variable_keys(meta_graph: Any, reader: Any) -> dict[str, str]:
    """Names of variable nodes in the graph to keys of the checkpoint; empty for a TF1 file.

    meta_graph: a `MetaGraphDef`. reader: of the checkpoint, from `tf.train.load_checkpoint`.
    """
    objects = meta_graph.object_graph_def
    if not objects.nodes or not reader.has_tensor(_OBJECTS_KEY):
        return {}
    keys = _keys_by_object(objects, reader)
    found = {}
    for node in meta_graph.graph_def.node:
        function = objects.concrete_functions.get(node.attr["f"].func.name)
        if function is None:
            continue
        captured = list(function.bound_inputs)
        inputs = list(node.input)[len(node.input) - len(captured) :] if captured else []
        for name, number in zip(inputs, captured, strict=False):
            if number in keys:
                found[name.partition(":")[0]] = keys[number]
    return found


def _keys_by_object(objects: Any, reader: Any) -> dict[int, str]:
    """Numbers of variables among the model's objects to keys, by walking both trees at once."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    stored = trackable_object_graph_pb2.TrackableObjectGraph()
    stored.ParseFromString(reader.get_tensor(_OBJECTS_KEY))
    keys: dict[int, str] = {}
    seen, waiting = {0}, [(0, 0)]
    while waiting:
        number, other = waiting.pop()
        for attribute in stored.nodes[other].attributes:
            if attribute.name == "VARIABLE_VALUE":
                keys[number] = attribute.checkpoint_key
        others = {child.local_name: child.node_id for child in stored.nodes[other].children}
        for child in objects.nodes[number].children:
            if child.local_name in others and child.node_id not in seen:
                seen.add(child.node_id)
                waiting.append((child.node_id, others[child.local_name]))
    return keys
