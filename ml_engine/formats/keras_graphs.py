"""Keras networks as TensorFlow graphs: those of files, and our own with the weights of files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ml_engine.formats.ends import with_shape
from ml_engine.formats.files import ModelFile, checkpoint_of
from ml_engine.formats.graph import GraphSource
from ml_engine.formats.keras_classes import check_keras_file, check_keras_weights
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused, ModelUnusable

# Networks of our own for weights that come without a network. Each module has `build(design)`,
# `load_h5(network, path)` and `load_checkpoint(network, prefix)`; what FaceNet calls a variable is
# told there. The last layer is named, because its width is the dimension.
WEIGHT_NETWORKS = {"inception_resnet_v1": ("ml_engine.networks.inception_resnet_v1", "Bottleneck")}
_DESIGNS = "ml_engine.networks.design"
_SIZE = 160


def keras_graph(path: Path, wish: Wish) -> GraphSource:
    """The graph of a Keras file, up to the layer or tensor that the wish names as output."""
    check_keras_file(path)
    import keras

    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        if len(network.inputs) != 1:
            raise ModelRefused(f"The network has {len(network.inputs)} inputs; faces are one.")
        network = _ending_in(network, wish.output)
    except ModelRefused:
        raise
    except Exception as error:  # Keras raises nearly anything for a file that does not fit
        raise ModelRefused(f"Keras does not load {path.name}.", detail=error) from error
    return _frozen(network, _sized(list(network.inputs[0].shape), wish))


def weights_graph(file: ModelFile, wish: Wish) -> GraphSource:
    """One of WEIGHT_NETWORKS with the weights of a file: an `.h5` by the names of layers, or the
    checkpoint beside a `.meta` by the names of variables. No graph of the file is looked at."""
    if wish.network not in WEIGHT_NETWORKS:
        raise ModelRefused(
            f"{wish.network!r} is no network; there is {', '.join(WEIGHT_NETWORKS)}."
        )
    name, last = WEIGHT_NETWORKS[wish.network]
    module: Any = import_module(name)
    try:
        if file.kind == "keras_h5":
            check_keras_weights(file.path)
            network = _built(module, wish, _width_in_h5(file.path, last))
            module.load_h5(network, file.path)
        else:
            prefix = checkpoint_of(file.path, wish.checkpoint)
            network = _built(module, wish, _width_in_checkpoint(prefix, last))
            module.load_checkpoint(network, prefix)
    except ModelUnusable as error:
        raise ModelRefused(error.message, detail=error.detail) from error
    return _frozen(network, [None, *network.inputs[0].shape[1:]])


def _built(module: Any, wish: Wish, dimension: int) -> Any:
    """The network for pixels as they are: the card has the preprocessing."""
    design = import_module(_DESIGNS).Design(
        network=wish.network,
        size=wish.size or _SIZE,
        channels=wish.preprocessing.channel_count,
        dimension=dimension,
        normalisation="raw",
    )
    return module.build(design)


def _width_in_h5(path: Path, layer: str) -> int:
    import h5py

    with h5py.File(path) as file:
        try:
            return int(file[layer][layer]["kernel:0"].shape[-1])
        except KeyError as error:
            raise ModelRefused(f"{path.name} has no layer {layer}.") from error


def _width_in_checkpoint(prefix: Path, layer: str) -> int:
    import tensorflow as tf

    try:
        shapes = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ModelRefused(f"The checkpoint {prefix.name} is damaged: {error}.") from error
    if f"{layer}/weights" not in shapes:
        raise ModelRefused(f"{prefix.name} has no variable {layer}/weights.")
    return int(shapes[f"{layer}/weights"][-1])


def _frozen(network: Any, shape: list[int | None]) -> GraphSource:
    """The graph of a network, with its variables as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec(shape, tf.float32)
    function = tf.function(lambda batch: network(batch, training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
    shapes = {variable.path: list(variable.shape) for variable in network.variables}
    ends = (frozen.inputs[0].name,), (frozen.outputs[0].name,)
    return GraphSource(frozen.graph.as_graph_def(), _no_variable, shapes, *ends)


def _no_variable(name: str) -> Any:
    raise ModelRefused(f"Variable {name!r} was not frozen.")


def _ending_in(network: Any, output: str) -> Any:
    import keras

    if not output:
        if len(network.outputs) != 1:
            raise ModelRefused("Name one layer as the output: the network has several.")
        return network
    name = output.partition(":")[0]
    known = {layer.name: layer for layer in network.layers}
    if name not in known:
        raise ModelRefused(f"There is no layer {name!r}; there are {', '.join(known)}.")
    return keras.Model(network.inputs, known[name].output)


def _sized(shape: list[int | None], wish: Wish) -> list[int | None]:
    """The shape of the input, with the wish's size if the file leaves it free."""
    ends = with_shape("input", "", [side or -1 for side in shape], wish)
    return list(ends.shape)
