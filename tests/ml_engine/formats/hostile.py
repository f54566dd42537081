"""Files that must be refused. TensorFlow and Keras make what needs them in the script of
`networks`; the others are written here byte by byte."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_engine.formats.onnx_schema import message_class
from tests.ml_engine.formats.networks import DIMENSION, SIZE

FLOAT, INT32, STRING = 1, 3, 7


def write_with_tensorflow(folder: Path, victim: Path) -> None:
    """Files that write or read `victim`, or hold code, if they are loaded or called."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="images")

    def save(name: str, call: Callable[[Any], Any]) -> None:
        module = tf.Module()
        module.serve = tf.function(call, input_signature=[spec])
        tf.saved_model.save(module, folder / name, signatures=module.serve)

    def written(images: Any) -> Any:
        tf.io.write_file(str(victim), "gone")
        return tf.reduce_mean(images, [1, 2])

    def read(images: Any) -> Any:
        size = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return tf.reduce_mean(images, [1, 2]) + tf.cast(size, tf.float32)

    def python(images: Any) -> Any:
        mean = tf.reduce_mean(images, [1, 2])
        return tf.ensure_shape(tf.py_function(lambda x: x, [mean], tf.float32), (None, 3))

    def printed(images: Any) -> Any:
        tf.print("gone", output_stream=f"file://{victim}")
        return tf.reduce_mean(images, [1, 2])

    for name, call in (("write", written), ("read", read), ("python", python), ("print", printed)):
        save(name, call)
    _write_keras(folder)


def write_main_op(folder: Path, victim: Path) -> None:
    """A TF1 SavedModel that writes as soon as TensorFlow loads it."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        embeddings = tf.reduce_mean(images, [1, 2], name="embeddings")
        written = v1.io.write_file(str(victim), "gone")
        builder = v1.saved_model.Builder(str(folder / "main_op"))
        signature = v1.saved_model.predict_signature_def({"x": images}, {"y": embeddings})
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=written
        )
        builder.save()


def _write_keras(folder: Path) -> None:
    import keras

    pixels = keras.Input((SIZE, SIZE, 3))
    mean = keras.layers.Lambda(lambda values: values[:, 0, 0], name="evil")(pixels)
    network = keras.Model(pixels, keras.layers.Dense(DIMENSION)(mean))
    network.save(folder / "lambda.keras")
    network.save(folder / "lambda.h5")


def altered_keras(good: Path, path: Path, alter: Callable[[dict[str, Any]], None]) -> Path:
    """The good file with another configuration; `alter` is given the one of a layer."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                alter(config["config"]["layers"][-2])
                content = json.dumps(config).encode()
            target.writestr(name, content)
    return path


def graph(*nodes: tuple[str, str, list[str], dict[str, Any]]) -> Any:
    """A GraphDef of nodes: name, operation, inputs, attributes (types as numbers)."""
    from tensorflow.core.framework import graph_pb2

    made = graph_pb2.GraphDef()
    for name, operation, inputs, attributes in nodes:
        node = made.node.add(name=name, op=operation, input=inputs)
        for key, value in attributes.items():
            if isinstance(value, int):
                node.attr[key].type = value
            else:
                node.attr[key].CopyFrom(value)
    return made


def placeholder() -> tuple[str, str, list[str], dict[str, Any]]:
    from tensorflow.core.framework import attr_value_pb2

    shape = attr_value_pb2.AttrValue()
    for side in (-1, SIZE, SIZE, 3):
        shape.shape.dim.add(size=side)
    return "input", "Placeholder", [], {"dtype": FLOAT, "shape": shape}


def constant(name: str, value: Any, shape: list[int] | None = None) -> Any:
    """A Const node; with a shape, one value that claims to fill it."""
    from tensorflow.core.framework import attr_value_pb2
    from tensorflow.python.framework import tensor_util

    tensor = tensor_util.make_tensor_proto(value)
    if shape:
        del tensor.tensor_shape.dim[:]
        for side in shape:
            tensor.tensor_shape.dim.add(size=side)
    return (
        name,
        "Const",
        [],
        {"dtype": tensor.dtype, "value": attr_value_pb2.AttrValue(tensor=tensor)},
    )


def onnx(*, operation: str = "Relu", domain: str = "", external: bool = False) -> bytes:
    model = message_class("ModelProto")(ir_version=8)
    model.opset_import.add(domain="", version=17)
    network = model.graph
    for value, name in ((network.input, "data"), (network.output, "vector")):
        kind = value.add(name=name).type.tensor_type
        kind.elem_type = FLOAT
        for side in (1, 3, SIZE, SIZE) if name == "data" else (1, 3):
            kind.shape.dim.add(dim_value=side)
    network.node.add(op_type=operation, domain=domain, name="first", input=["data"], output=["a"])
    network.node.add(op_type="GlobalAveragePool", input=["a"], output=["b"])
    network.node.add(op_type="Mul", input=["b", "factor"], output=["c"])
    network.node.add(op_type="Flatten", input=["c"], output=["vector"])
    tensor = network.initializer.add(name="factor", dims=[1], data_type=FLOAT)
    if external:
        tensor.data_location = 1
        tensor.external_data.add(key="location", value="../../etc/hostname")
    else:
        tensor.float_data.append(2.0)
    return bytes(model.SerializeToString())


def altered_tflite(good: Path, path: Path, alter: Callable[[Any], None]) -> Path:
    """The good file, changed as objects of its schema."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated

    model = schema_py_generated.ModelT.InitFromPackedBuf(good.read_bytes(), 0)
    alter(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path
