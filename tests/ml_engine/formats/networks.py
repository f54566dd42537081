"""Run as a script: one small network in every format, with FaceNet's habits. Needs TensorFlow.

    python -m tests.ml_engine.formats.networks FOLDER [variables]

Writes the files of the network as Keras and TF2 make them, `expected.npz` with faces and their
embeddings, and then starts itself again for each of TF1's two layouts: control flow by Switch and
Merge with variables by reference ("ref"), and by If with variables by resource ("resource").
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

SIZE, DIMENSION = 32, 16
_EPSILON = 1e-3
_KERNELS = {"stem": (3, 3, 3, 8), "one": (1, 1, 8, 8), "three": (3, 3, 8, 8), "five": (5, 5, 8, 8)}
# Sources of one network: name and path. Each gives the same embeddings.
SOURCES = {
    "ref frozen": "ref/frozen.pb",
    "ref meta": "ref/meta/model.meta",
    "ref text": "ref/text/graph.pbtxt",
    "ref saved": "ref/saved",
    "resource frozen": "resource/frozen.pb",
    "resource meta": "resource/meta/model.meta",
    "resource text": "resource/text/graph.pbtxt",
    "resource saved": "resource/saved",
    "saved by tensorflow": "saved",
    "exported by keras": "exported",
    "keras": "own.keras",
    "h5": "own.h5",
    "tflite": "own.tflite",
}
VICTIM = "victim.txt"  # what hostile files would write
# With a queue, PyFunc and a phase without default; the checkpoint as FaceNet names it.
FACENET = "facenet/model-20180402-114759.meta"


def weights() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    made: dict[str, np.ndarray] = {}
    for name, shape in _KERNELS.items():
        made[f"{name}/weights"] = draw.normal(0, 0.3, shape)
        for part in ("beta", "moving_mean"):
            made[f"{name}/BatchNorm/{part}"] = draw.normal(0, 0.2, shape[3])
        made[f"{name}/BatchNorm/moving_variance"] = draw.uniform(0.5, 2, shape[3])
    made["Bottleneck/weights"] = draw.normal(0, 0.3, (24, DIMENSION))
    return {name: value.astype(np.float32) for name, value in made.items()}


def faces(count: int = 8) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def values(pixels: np.ndarray) -> np.ndarray:
    return ((pixels.astype(np.float32) - 127.5) / 128).astype(np.float32)


def keras_network() -> Any:
    import keras
    from keras import layers

    def conv(x: Any, name: str, stride: int = 1) -> Any:
        *kernel, _, filters = _KERNELS[name]
        x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(epsilon=_EPSILON, scale=False, name=f"{name}_norm")(x)
        return layers.ReLU()(x)

    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.MaxPooling2D(2)(conv(pixels, "stem", 2))
    x = layers.Concatenate()([conv(x, name) for name in ("one", "three", "five")])
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D(name="pooled")(x))
    x = layers.Dense(DIMENSION, use_bias=False, name="Bottleneck")(x)
    network = keras.Model(pixels, layers.UnitNormalization()(x))
    made = weights()
    for name in _KERNELS:
        network.get_layer(name).set_weights([made[f"{name}/weights"]])
        parts = ("beta", "moving_mean", "moving_variance")
        values = [made[f"{name}/BatchNorm/{part}"] for part in parts]
        network.get_layer(f"{name}_norm").set_weights(values)
    network.get_layer("Bottleneck").set_weights([made["Bottleneck/weights"]])
    return network


def write_tf2(folder: Path) -> None:
    import tensorflow as tf

    network = keras_network()
    pixels = faces()
    np.savez(folder / "expected.npz", faces=pixels, embeddings=network.predict(values(pixels)))
    network.save(folder / "own.keras")
    network.save(folder / "own.h5")
    network.export(folder / "exported", verbose=False)
    spec = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="images")
    serve = tf.function(lambda images: network(images, training=False), input_signature=[spec])
    module = tf.Module()
    module.network, module.serve = network, serve
    tf.saved_model.save(module, folder / "saved", signatures=serve)
    (folder / "own.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def tf1_network(images: Any, phase: Any) -> Any:
    """The same network as TF1's programs wrote it: statistics and dropout behind a condition."""
    import tensorflow as tf

    v1 = tf.compat.v1
    made = weights()

    def variable(name: str, *, is_trained: bool = True) -> Any:
        return v1.get_variable(name, initializer=made[name], trainable=is_trained)

    def norm(x: Any, name: str) -> Any:
        mean = variable(f"{name}/BatchNorm/moving_mean", is_trained=False)
        variance = variable(f"{name}/BatchNorm/moving_variance", is_trained=False)

        def trained() -> Any:
            of_batch, spread = tf.nn.moments(x, [0, 1, 2])
            with tf.control_dependencies(
                [v1.assign(mean, 0.9 * mean + 0.1 * of_batch), v1.assign(variance, spread)]
            ):
                return tf.identity(of_batch), tf.identity(spread)

        of, spread = v1.cond(phase, trained, lambda: (tf.identity(mean), tf.identity(variance)))
        beta = variable(f"{name}/BatchNorm/beta")
        return tf.nn.batch_normalization(x, of, spread, beta, None, _EPSILON)

    def conv(x: Any, name: str, stride: int = 1) -> Any:
        x = tf.nn.conv2d(x, variable(f"{name}/weights"), stride, "SAME")
        return tf.nn.relu(norm(x, name))

    x = tf.nn.max_pool2d(conv(images, "stem", 2), 2, 2, "VALID")
    x = tf.concat([conv(x, name) for name in ("one", "three", "five")], 3)
    x = tf.identity(tf.reduce_mean(x, [1, 2]), "pooled")
    x = v1.cond(phase, lambda: tf.nn.dropout(x, rate=0.4), lambda: tf.identity(x))
    x = tf.matmul(x, variable("Bottleneck/weights"))
    return tf.nn.l2_normalize(x, 1, epsilon=1e-10, name="embeddings")


def write_tf1(folder: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        phase = v1.placeholder(tf.bool, (), "phase_train")
        embeddings = tf1_network(images, phase)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver()
        graph = session.graph.as_graph_def()
        (folder / "meta").mkdir(parents=True)
        (folder / "text").mkdir()
        saver.save(session, str(folder / "meta" / "model"))
        saver.save(session, str(folder / "text" / "model"), write_meta_graph=False)
        tf.io.write_graph(graph, str(folder / "text"), "graph.pbtxt", as_text=True)
        frozen = v1.graph_util.convert_variables_to_constants(session, graph, ["embeddings"])
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
        v1.saved_model.simple_save(
            session, str(folder / "saved"), {"images": images, "phase": phase}, {"e": embeddings}
        )


def write_facenet(folder: Path) -> None:
    """A training graph of FaceNet's: pictures come out of a queue, through Python."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        batch_size = v1.placeholder(tf.int32, name="batch_size")
        phase = v1.placeholder(tf.bool, name="phase_train")
        paths = v1.placeholder(tf.string, (None, 1), "image_paths")
        files = tf.queue.FIFOQueue(100, [tf.string], [(1,)])
        files.enqueue_many([paths], name="enqueue_op")
        read = v1.image.decode_png(tf.io.read_file(files.dequeue()[0]), channels=3)
        turned = v1.py_func(lambda picture: picture, [read], tf.uint8)
        turned.set_shape((SIZE, SIZE, 3))
        label = tf.constant(0, tf.int64)
        pictures = tf.queue.FIFOQueue(10, [tf.float32, tf.int64], [(SIZE, SIZE, 3), ()])
        pictures.enqueue((tf.image.per_image_standardization(turned), label))
        batch, labels = pictures.dequeue_up_to(batch_size)
        batch = tf.identity(tf.identity(batch, "image_batch"), "input")
        tf.identity(labels, "label_batch")
        tf1_network(batch, phase)
        session.run(v1.global_variables_initializer())
        folder.mkdir()
        saver = v1.train.Saver()
        saver.save(session, str(folder / "model.ckpt"), 275, write_meta_graph=False)
        for file in folder.glob("model.ckpt-275.*"):
            file.rename(folder / f"model-20180402-114759.ckpt-275{file.suffix}")
        (folder / "checkpoint").unlink()
        v1.train.export_meta_graph(str(folder / Path(FACENET).name))


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    if not kind:
        (folder / "hostile").mkdir()
        others = [
            subprocess.Popen([sys.executable, "-m", __spec__.name, str(folder), name])
            for name in ("ref", "resource")
        ]
        from tests.ml_engine.formats import hostile

        write_tf2(folder)
        hostile.write_with_tensorflow(folder / "hostile", folder / VICTIM)
        if any(other.wait() for other in others):
            raise SystemExit(1)
        return
    import tensorflow as tf

    if kind == "ref":
        tf.compat.v1.disable_v2_behavior()
        from tests.ml_engine.formats import hostile

        write_facenet(folder / "facenet")
        hostile.write_main_op(folder / "hostile", folder / VICTIM)
    else:
        tf.compat.v1.disable_eager_execution()
    write_tf1(folder / kind)


if __name__ == "__main__":
    main()
