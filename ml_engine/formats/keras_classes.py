"""Keras classes that a user's file may name, held against its configuration before Keras sees it.

Keras' safe mode refuses code in a file, but builds any class that it can find, some of which read
files (vocabularies) or call functions by name.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from ml_engine.formats.operations import names
from ml_engine.types import ModelRefused

LAYERS = names(
    """
    Functional Sequential Model InputLayer Dense Conv1D Conv2D Conv2DTranspose DepthwiseConv2D
    SeparableConv2D Convolution2D BatchNormalization LayerNormalization GroupNormalization
    UnitNormalization Normalization Rescaling Activation ReLU PReLU LeakyReLU ELU Softmax Dropout
    SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization MaxPooling2D
    AveragePooling2D GlobalMaxPooling2D GlobalAveragePooling2D Flatten Reshape Permute
    ZeroPadding2D Cropping2D UpSampling2D Concatenate Add Subtract Multiply Average Maximum Minimum
    Dot Identity
    """
)
# What layers are made of: initialisers, regularisers, constraints, policies.
_PARTS = names(
    """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotNormal
    GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Orthogonal OrthogonalInitializer
    IdentityInitializer L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm DTypePolicy Policy
    SeedGenerator __keras_tensor__ __numpy__ __tensor__ __slice__ __ellipsis__
    """
)
# Functions of `keras.ops` between layers. Those that loop, map or call others are left out.
_FUNCTIONS = names(
    """
    Abs Absolute Add Average Clip Concatenate Divide Dot Einsum Exp Expm1 ExpandDims Flip GetItem
    LeakyRelu Log Matmul Max Maximum Mean Min Minimum Multiply Negative Norm Normalize Permute
    Power Reciprocal Relu Relu6 Reshape Rsqrt Sigmoid Silu Softmax Sqrt Square Squeeze Stack Std
    Subtract Sum Tanh Transpose TrueDivide Var
    """
)
_MODULES = names(
    """
    keras keras.layers keras.models keras.initializers keras.regularizers keras.constraints
    keras.random keras.src.random.seed_generator
    keras.src.models.functional keras.src.models.sequential keras.src.models.model
    keras.engine.functional keras.src.engine.functional keras.engine.sequential
    """
)
_FUNCTION_MODULES = names(
    """
    keras.ops keras.src.ops.numpy keras.src.ops.nn keras.src.ops.math keras.src.ops.linalg
    keras.src.ops.core
    """
)
# Plain numbers of any size. As anything else, Keras builds what they hold.
_LARGE_NUMBERS = frozenset({"seed", "shared_object_id"})
_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
_MAX_CONFIG_BYTES = 1 << 26
_MAX_NUMBER = 1_000_000
_MAX_WEIGHT_BYTES = 1 << 29


def check_keras_file(path: Path) -> None:
    """Check a `.keras` or `.h5` file before Keras reads it.

    Raises:
        ModelRefused: it is damaged, holds no model, or something that is not allowed; named.
    """
    try:
        _check_archive(path) if _is_archive(path) else _check_h5(path)
        check_config(keras_config(path))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise ModelRefused(f"{path.name} is damaged or not complete: {error}.") from error


def check_keras_weights(path: Path) -> None:
    """Check a `.h5` file of weights alone, whose network is known. Errors as `check_keras_file`."""
    import h5py

    try:
        with h5py.File(path) as file:
            _check_tables(file)
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ModelRefused(f"{path.name} is damaged or not complete: {error}.") from error


def keras_config(path: Path) -> Any:
    """The configuration in a `.keras` or `.h5` file that was checked."""
    import h5py

    if _is_archive(path):
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        # That of the whole model is not built, because Keras is told not to compile.
        config.pop("compile_config", None)
        return config
    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])


def _is_archive(path: Path) -> bool:
    """By its first bytes. Keras looks at the name, and at the end of the file: they must agree, or
    it would build something else than what was checked."""
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if not is_archive == zipfile.is_zipfile(path) == (path.suffix == ".keras"):
        raise ModelRefused(f"{path.name} is damaged or not complete, or two formats in one.")
    return is_archive


def check_config(config: Any) -> None:
    """Check the configuration of a model, as Keras writes it."""
    for part, layer in _parts(config):
        name, module = str(part["class_name"]), part.get("module")
        known = LAYERS | _PARTS if module is None or module in _MODULES else frozenset()
        if module in _FUNCTION_MODULES:
            known = _FUNCTIONS
        if name not in known:
            told = f"{module}.{name}" if module else name
            raise ModelRefused(f"Layer {told} ({layer!r}) is not allowed in a network.")
        if part.get("registered_name") not in (None, "", name):
            told = part["registered_name"]
            raise ModelRefused(f"Layer {name} ({layer!r}) names other code, {told!r}.")


def _parts(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Everything that names a class, each with the name of its layer."""
    waiting: list[tuple[Any, str]] = [(config, "")]
    while waiting:
        value, layer = waiting.pop()
        if isinstance(value, dict):
            inner = value.get("config")
            if "class_name" in value:
                if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                    layer = inner["name"]
                yield value, layer
            waiting += [
                (each, layer)
                for key, each in value.items()
                if key not in _LARGE_NUMBERS or not isinstance(each, int)
            ]
        elif isinstance(value, list):
            waiting += [(each, layer) for each in value]
        elif isinstance(value, int | float) and abs(value) > _MAX_NUMBER:
            raise ModelRefused(f"Layer {layer!r} asks for {value:g} of something; is it damaged?")


def _check_archive(path: Path) -> None:
    import h5py

    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        if other := sorted(entries.keys() - _MEMBERS):
            raise ModelRefused(f"{path.name} holds {other[0]}, a file that no network needs.")
        if entries["config.json"].file_size > _MAX_CONFIG_BYTES:
            raise ModelRefused(f"config.json of {path.name} is too large.")
        with archive.open("model.weights.h5") as weights, h5py.File(weights) as file:
            _check_tables(file)


def _check_h5(path: Path) -> None:
    import h5py

    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            raise ModelRefused(
                f"{path.name} holds weights without their network: name the network "
                "(inception_resnet_v1 for FaceNet's)."
            )
        _check_tables(file)


def _check_tables(group: Any) -> None:
    """Links and tables in other files would read those; a table may claim any size."""
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelRefused(f"Table {group.name}/{name} lies elsewhere ({type(link).__name__}).")
        table = group[name]
        if isinstance(table, h5py.Group):
            _check_tables(table)
            continue
        if table.external or table.is_virtual:
            raise ModelRefused(f"Table {table.name} lies in another file.")
        size = prod(table.shape or (1,)) * table.dtype.itemsize
        if size > _MAX_WEIGHT_BYTES:
            raise ModelRefused(f"Table {table.name} asks for {size / 1e9:.1f} GB.")
